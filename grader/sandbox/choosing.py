"""`--sandbox auto`: Docker where an engine answers, then sandlock, otherwise say what to install."""

from grader.errors import SetupError, UsageError
from grader.sandbox.base import Sandbox, SandboxName

AUTO = "auto"


def choose(name: str) -> Sandbox:
    """The sandbox of that name, not opened yet. Raises SetupError or UsageError."""
    if name == AUTO:
        return _first_usable()
    try:
        wanted = SandboxName(name)
    except ValueError:
        raise UsageError(f"there is no sandbox {name!r}: use auto, {', '.join(SandboxName)}") from None
    return _make(wanted)


def _make(name: SandboxName) -> Sandbox:
    if name is SandboxName.DOCKER:
        from grader.sandbox.docker import DockerSandbox

        return DockerSandbox()
    if name is SandboxName.SANDLOCK:
        from grader.sandbox.sandlock import SandlockSandbox

        return SandlockSandbox()
    from grader.sandbox.plain import PlainSandbox

    return PlainSandbox()


def _first_usable() -> Sandbox:
    from grader.sandbox import docker, sandlock

    why_not_docker = docker.unusable()
    if why_not_docker is None:
        return _make(SandboxName.DOCKER)
    why_not_sandlock = sandlock.unusable()
    if why_not_sandlock is None:
        return _make(SandboxName.SANDLOCK)
    raise SetupError(
        f"there is no sandbox on this machine: {why_not_docker}; {why_not_sandlock}. Install and start Docker "
        "Engine, or use Linux 6.12 or later for sandlock. (--sandbox none runs the code unprotected.)"
    )


def for_own_code() -> Sandbox:
    """For code of the user's own: sandlock where it works, since it is quick, else none."""
    from grader.sandbox import sandlock

    return _make(SandboxName.SANDLOCK if sandlock.unusable() is None else SandboxName.NONE)
