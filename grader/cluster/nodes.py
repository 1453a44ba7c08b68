"""The machines of a Ray cluster: connecting to it, what each of them is and has, and which kind of device grades."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grader.core.environment import is_kind, software
from grader.core.errors import SetupError
from grader.core.extras import Extra, need
from grader.sandbox.base import Say
from grader.training.pool import DeviceChoice

_LOOK_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """One machine, as it describes itself."""

    id: str
    host: str
    cpus: int
    gpus: float
    kind: str  # of device, as a training's result names it
    no_docker: str | None  # why not; None if it works
    no_sandlock: str | None


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A connection to the cluster at `address`, to the one of RAY_ADDRESS, or to one begun here. Raises SetupError."""
    need(Extra.RAY, "ray")
    import ray

    try:
        _reach(address or os.environ.get("RAY_ADDRESS") or "")
        # Workers import grader as it is installed with them; nothing of this folder is uploaded.
        ray.init(address=address, namespace="grader", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = address or os.environ.get("RAY_ADDRESS") or "this machine"
        hint = "is it running there, and is RAY_AUTH_TOKEN (or its file) the same?"
        raise SetupError(f"no Ray cluster could be had at {where}: {str(error).splitlines()[0]}: {hint}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise OSError if nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


def _describe() -> tuple[str, str, str | None, str | None]:
    """Run on a node: its name, its kind of device and software, and why its sandboxes cannot be used."""
    from grader.sandbox import docker, sandlock
    from grader.training.pool import device_kind

    return socket.gethostname(), f"{device_kind()}\n{software()}", docker.unusable(), sandlock.unusable()


def pinned(node: str) -> Any:
    """The scheduling strategy that puts an actor or a task on that node and on no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def alive() -> set[str]:
    """The ids of the nodes that answer."""
    import ray

    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def census(say: Say, known: Sequence[str] = ()) -> list[Node]:
    """Every node that is alive, not `known`, and has the driver's software; says which have not."""
    import ray

    look = ray.remote(num_cpus=0, max_retries=0)(_describe)
    there = {n["NodeID"]: n["Resources"] for n in ray.nodes() if n["Alive"] and n["NodeID"] not in known}
    asked = {look.options(scheduling_strategy=pinned(node)).remote(): node for node in there}
    answered, late = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK_SECONDS) if asked else ([], [])
    found = []
    for ref in late:
        say(f"node {asked[ref][:8]} did not answer and is left out")
    for ref in answered:
        node = asked[ref]
        try:
            host, text, no_docker, no_sandlock = ray.get(ref)
        except ray.exceptions.RayError as error:
            say(f"node {node[:8]} is left out: {cause_of(error)}")
            continue
        kind, theirs = text.split("\n")
        if theirs != software():
            say(f"node {host} is left out: it has {theirs}; here is {software()}")
            continue
        resources = there[node]
        gpus = float(resources.get("GPU", 0))
        found.append(
            Node(
                id=node,
                host=host,
                cpus=int(resources.get("CPU", 0)),
                gpus=gpus,
                kind=kind,
                no_docker=no_docker,
                no_sandlock=no_sandlock,
            )
        )
    return sorted(found, key=lambda n: (n.host, n.id))


def cause_of(error: Exception) -> str:
    """The last line of an error; of one that Ray passes on, it names the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]


def of_one_kind(nodes: Sequence[Node], device: DeviceChoice, wanted: str, say: Say) -> list[Node]:
    """The nodes to train on: all of the `wanted` kind, or of the kind with the most room. Raises SetupError.

    Scores of different kinds of device are not compared, so one run never mixes them.
    """
    able = [n for n in nodes if device is DeviceChoice.AUTO or is_kind(n.kind, "cpu") == (device is DeviceChoice.CPU)]
    kinds = sorted({n.kind for n in able}, key=lambda k: _room(k, able), reverse=True)
    if wanted:
        matching = [kind for kind in kinds if is_kind(kind, wanted)]
        if not matching:
            there = ", ".join(kinds) or "none"
            raise SetupError(f"the task demands {wanted}, and the cluster has no such node; it has {there}")
        kinds = matching
    if not kinds:
        raise SetupError(f"the cluster has no node to train on with --device {device.value}")
    chosen = [n for n in able if n.kind == kinds[0]]
    left = [n for n in able if n.kind != kinds[0]]
    if left:
        others = ", ".join(sorted({n.kind for n in left}))
        say(f"training on {len(chosen)} node(s) of kind {kinds[0]}; {len(left)} of another ({others}) are left out")
    return chosen


def _room(kind: str, nodes: Sequence[Node]) -> tuple[bool, float]:
    mine = [n for n in nodes if n.kind == kind]
    return not is_kind(kind, "cpu"), sum(n.gpus or n.cpus for n in mine)
