"""Sandboxes on the nodes of a Ray cluster: student code runs there, in a real sandbox, or not at all."""

import threading
from collections.abc import Sequence
from typing import Any

from grader.cluster.nodes import Node, cause_of, pinned
from grader.core.errors import GraderError, SetupError, UsageError
from grader.sandbox.base import Ending, Outcome, SandboxChoice, SandboxName, Say
from grader.sandbox.factory import opened
from grader.sandbox.inside.supervisor import Limits

_OPEN_SECONDS = 3600.0  # a first start may build an image
_GRACE_SECONDS = 300.0


class _SandboxActor:
    """Runs in a worker of the cluster: one node's sandbox."""

    def __init__(self, name: str) -> None:
        self._wanted = SandboxChoice(name)
        if self._wanted is SandboxChoice.NONE:
            raise SetupError("student code runs on a node in a sandbox only")

    def open(self) -> str:
        """The sandbox's version."""
        self._sandbox = opened(self._wanted, lambda _: None)
        return self._sandbox.version

    def run(self, job: bytes, limits: Limits) -> Outcome:
        return self._sandbox.run(job, limits)


class _Host:
    """A node that has a sandbox."""

    def __init__(self, node: Node, actor: Any) -> None:
        self.node, self.actor = node, actor
        self.busy = 0


class RaySandbox:
    """A sandbox that is many: each job goes to the node with the most room. See `grader.sandbox.base.Sandbox`."""

    def __init__(self, wanted: SandboxChoice, nodes: Sequence[Node]) -> None:
        """`nodes` are those that student code may run on. Raises UsageError for a sandbox that is none."""
        if wanted is SandboxChoice.NONE:
            raise UsageError("--engine ray runs student code in a sandbox only: use auto, docker or sandlock")
        self._wanted, self._nodes = wanted, [node for node in nodes if node.cpus]
        self.name = SandboxName.SANDLOCK
        self._hosts: list[_Host] = []
        self._change = threading.Condition()
        self._version = ""

    @property
    def version(self) -> str:
        """That of the nodes' sandboxes."""
        return self._version

    def open(self, say: Say) -> None:
        """Start a sandbox on every node that has one. Raises SetupError if none has."""
        import ray

        able = {
            SandboxName.DOCKER: [n for n in self._nodes if n.no_docker is None],
            SandboxName.SANDLOCK: [n for n in self._nodes if n.no_sandlock is None],
        }
        any_of = [SandboxName.DOCKER, SandboxName.SANDLOCK]
        order = any_of if self._wanted is SandboxChoice.AUTO else [SandboxName(self._wanted)]
        self.name = next((name for name in order if able[name]), order[0])
        starting = []
        for node in able[self.name]:
            actor = ray.remote(num_cpus=0, max_restarts=0, max_concurrency=max(2, node.cpus))(_SandboxActor)
            host = _Host(node, actor.options(scheduling_strategy=pinned(node.id)).remote(self.name.value))
            starting.append((host, host.actor.open.remote()))
        versions = set()
        problem = "; ".join(
            sorted({str(n.no_docker if self.name is SandboxName.DOCKER else n.no_sandlock) for n in self._nodes})
        )
        for host, answer in starting:
            try:
                versions.add(ray.get(answer, timeout=_OPEN_SECONDS))
                self._hosts.append(host)
            except (ray.exceptions.RayError, GraderError) as error:
                problem = cause_of(error)
                say(f"node {host.node.host} runs no submissions: {problem}")
        if not self._hosts:
            raise SetupError(f"no node of the cluster has the sandbox {self.name}: {problem}")
        self._version = f"ray, {', '.join(sorted(versions))}"

    def run(self, job: bytes, limits: Limits) -> Outcome:
        """One job, on the node with the most room; where that is lost, the outcome is `broken` and it is retried."""
        import ray

        host = self._take()
        if host is None:
            return Outcome(Ending.BROKEN, detail="no node of the cluster with a sandbox is left")
        try:
            wait = _GRACE_SECONDS + 3 * limits.seconds
            outcome: Outcome = ray.get(host.actor.run.remote(job, limits), timeout=wait)
        except ray.exceptions.RayError as error:
            with self._change:
                if host in self._hosts:
                    self._hosts.remove(host)
            detail = f"the sandbox on node {host.node.host} was lost ({type(error).__name__})"
            return Outcome(Ending.BROKEN, detail=detail)
        finally:
            with self._change:
                host.busy -= 1
                self._change.notify_all()
        return outcome

    def _take(self) -> _Host | None:
        """The host with the most room, waited for; None if there is none at all."""
        with self._change:
            while self._hosts:
                host = min(self._hosts, key=lambda h: h.busy / h.node.cpus)
                if host.busy < host.node.cpus:
                    host.busy += 1
                    return host
                self._change.wait(1.0)
        return None

    def close(self) -> None:
        """End the sandboxes of all nodes."""
        import ray

        for host in self._hosts:
            ray.kill(host.actor)
        self._hosts = []
