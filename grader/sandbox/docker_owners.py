"""Ownership of containers: labels that name their grader, and the removal of those whose grader is dead."""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions

from grader.sandbox.base import Say

LABEL = "org.grader"
ENGINE_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)
_DAY_SECONDS = 86400


def labels_of(run: str, seconds: float) -> dict[str, str]:
    """The labels of a container of run `run` that may live for `seconds`."""
    return {
        LABEL: "probe",
        f"{LABEL}.run": run,
        f"{LABEL}.owner": me(),
        f"{LABEL}.deadline": str(int(_clock() + seconds)),
        f"{LABEL}.latest": str(int(time.time() + _DAY_SECONDS)),
    }


def remove(container: Any) -> None:
    """Kill and remove; a container that is already gone is no error."""
    with contextlib.suppress(*ENGINE_ERRORS):
        container.remove(force=True, v=True)


def _clock() -> float:
    """Seconds since boot, which no change of the wall clock affects."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def me() -> str:
    """This process, so that another can tell whether it still lives: boot, namespace of pids, pid, start time."""
    return f"{_boot_id()}:{_pid_namespace()}:{os.getpid()}:{_start_time(os.getpid())}"


def _pid_namespace() -> str:
    """Which processes the pids of this one are among: a grader in a container sees others than its host does."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return "unknown"


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "unknown"


def _start_time(pid: int) -> str:
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return "unknown"


def dead(owner: str) -> bool:
    """Whether the owner of a container is known to be dead. Only who sees its pid can know."""
    try:
        boot, namespace, pid, start = owner.split(":")
        number = int(pid)
    except ValueError:
        return True  # no label of ours
    if (boot, namespace) != (_boot_id(), _pid_namespace()) or "unknown" in (boot, namespace, start):
        return False
    return start != _start_time(number)


def _overdue(labels: Mapping[str, str]) -> bool:
    """Whether a container is past its deadline, which is counted from this machine's boot; elsewhere, past a day."""
    boot = labels.get(f"{LABEL}.owner", "").split(":")[0]
    deadline = labels.get(f"{LABEL}.deadline", "")
    if boot == _boot_id() != "unknown":
        return not deadline.isdigit() or _clock() > int(deadline)
    latest = labels.get(f"{LABEL}.latest", "")
    return not latest.isdigit() or time.time() > int(latest)


def remove_orphans(client: Any, say: Say) -> int:
    """Remove our containers whose grader is dead or whose deadline passed; how many there were."""
    removed = 0
    for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        labels = container.labels
        if _overdue(labels) or dead(labels.get(f"{LABEL}.owner", "")):
            remove(container)
            removed += 1
    if removed:
        say(f"removed {removed} container(s) that an earlier run left behind")
    return removed
