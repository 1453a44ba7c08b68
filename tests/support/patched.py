"""sandlock with something of its helper replaced: a protection that is switched off, or a machine that it is not on."""

from __future__ import annotations

from grader.sandbox.sandlock import SandlockSandbox


class Patched(SandlockSandbox):
    """`patch` is code for the helper before it serves: it knows `lockdown`, `sandlock`, `system_calls`, `zygote`."""

    def __init__(self, patch: str, abi: int | None = None) -> None:
        super().__init__(abi)
        code = "import sandlock\nfrom grader.sandbox.inside import lockdown, system_calls, zygote\n"
        self._helper = ("-c", f"{code}{patch}\nzygote.main()")
