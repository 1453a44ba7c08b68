#!/usr/bin/env python3
"""Are the actions that the workflows pin the newest releases? Prints a line per action.

    python3 .ci/pins.py [WORKFLOW ...]      those of this repository and of the kit, where none is named

Asks the repositories for their tags with `git ls-remote`, on $GITHUB_SERVER_URL. Exit code 1: a newer release is
there, a pin is not the commit of the version that its comment names, or an action is not pinned. Exit code 3: a
repository did not answer.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
USES = re.compile(r"^\s*(?:- )?uses:\s*(.+?)\s*$", re.M)
PIN = re.compile(r"([\w-]+/[\w.-]+)((?:/[\w.-]+)*)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")
TAG = re.compile(r"([0-9a-f]{40})\trefs/tags/(v\d+\.\d+\.\d+)(\^\{\})?$", re.M)


def workflows():
    return sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("grader/scaffold/.github/workflows/*.yml")])


def number(tag):
    return tuple(map(int, tag[1:].split(".")))


def releases(action):
    """The commit of each release. An annotated tag has a line of its own and one, with ^{}, of its commit."""
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    call = ["git", "ls-remote", "--tags", f"{server}/{action}"]
    known = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        listed = subprocess.run(call, env=known, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{action}: {getattr(error, 'stderr', '') or error}", file=sys.stderr)
        sys.exit(3)
    found = {}
    for commit, tag, peeled in TAG.findall(listed.stdout):
        if peeled or tag not in found:
            found[tag] = commit
    return found


def main():
    files = [Path(name) for name in sys.argv[1:]] or workflows()
    used = sorted({text for path in files for text in USES.findall(path.read_text())})
    old = False
    for text in used:
        pin = PIN.fullmatch(text)
        if pin is None:
            print(f"{text}: not pinned, as OWNER/NAME@COMMIT # vX.Y.Z")
            old = True
            continue
        action, _, commit, version = pin.groups()
        known = releases(action)
        newest = max(known, key=number, default=version)
        if known.get(version) != commit:
            said = f"the pin is not the commit of {version}"
        elif number(newest) > number(version):
            said = f"{newest} is there, {known[newest]}"
        else:
            said = "the newest"
        old = old or said != "the newest"
        print(f"{action} {version}: {said}")
    sys.exit(1 if old else 0)


if __name__ == "__main__":
    main()
