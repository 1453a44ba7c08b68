"""`--sandbox auto`: Docker where its engine answers and has or can build the image, else sandlock, else what to do."""

import os

from grader.core.errors import SetupError
from grader.sandbox.base import RUNTIME, Ending, Sandbox, SandboxChoice, SandboxName, Say
from grader.sandbox.inside.supervisor import Limits


def opened(wanted: SandboxChoice, say: Say) -> Sandbox:
    """The sandbox to use, ready: a worker of it has been started and has confined itself. Raises SetupError."""
    wanted = _meant(wanted)
    sandbox = choose(wanted)
    if wanted is not SandboxChoice.AUTO or sandbox.name is not SandboxName.DOCKER:
        return _ready(sandbox, say)
    from grader.sandbox import sandlock
    from grader.sandbox.docker_image import ImageError

    try:
        return _ready(sandbox, say)
    except ImageError as error:
        if sandlock.unusable() is not None:
            raise
        said = str(error).splitlines()
        say(f"Docker is not used: {said[0]} {said[-2]}")  # the last line of the engine's; then there is advice
        say("using sandlock instead (--sandbox sandlock chooses it at once, --sandbox docker shows the whole error)")
        return _ready(_make(SandboxName.SANDLOCK), say)


def _ready(sandbox: Sandbox, say: Say) -> Sandbox:
    try:
        sandbox.open(say)
        prove(sandbox)
    except BaseException:
        sandbox.close()
        raise
    return sandbox


def choose(wanted: SandboxChoice) -> Sandbox:
    """The sandbox to use, not opened yet. Raises SetupError."""
    wanted = _meant(wanted)
    return _first_usable() if wanted is SandboxChoice.AUTO else _make(SandboxName(wanted))


def _meant(wanted: SandboxChoice) -> SandboxChoice:
    """Docker if a container runtime is named, since a weaker sandbox is then no substitute."""
    return SandboxChoice.DOCKER if wanted is SandboxChoice.AUTO and os.environ.get(RUNTIME) else wanted


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
        "Engine, or use Linux 5.13 or later for sandlock. (--sandbox none runs the code unprotected.)"
    )


def prove(sandbox: Sandbox) -> None:
    """Start a worker and let it confine itself. Raises SetupError if that fails: nobody could be graded."""
    if sandbox.name is SandboxName.NONE:
        return
    outcome = sandbox.run(b"{}", Limits(seconds=10, memory_mb=1500, threads=64, output=1 << 20, document=1 << 20))
    if outcome.ending is Ending.BROKEN:
        said = outcome.output.decode("utf-8", "replace").strip().splitlines()
        why = "; ".join([outcome.detail, *said[-1:]])
        advice = f"docker rmi --force {sandbox.version.split()[-1]}" if sandbox.name is SandboxName.DOCKER else ""
        mend = f"If its image is broken, remove it ({advice}); the next run builds it again" if advice else ""
        raise SetupError(f"the sandbox {sandbox.name} does not work on this machine: {why}. {mend}".rstrip())


def for_own_code() -> Sandbox:
    """For the user's own code: sandlock if it works, since it is quick, else none."""
    from grader.sandbox import sandlock

    return _make(SandboxName.SANDLOCK if sandlock.unusable() is None else SandboxName.NONE)
