"""A Ray cluster of several nodes on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

STORE = 100 << 20


@contextlib.contextmanager
def local_cluster() -> Iterator[Any]:
    """A head that only manages, and two nodes with a CPU each, none of which finds a Docker engine."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        made.members = [made.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(2)]
    yield made
    made.shutdown()


def on(cluster: Any) -> list[str]:
    """The options of a run on that cluster."""
    return ["--engine", "ray", "--address", cluster.address]
