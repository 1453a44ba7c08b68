"""Replaces torch's compiler, which schedules never use: halves the time to import torch and torchvision.

torch imports `torch._dynamo` when an optimizer is made and at each of its steps, torchvision when it is imported: to
tell the compiler where its graphs end and what to leave alone. Outside of a compilation these calls do nothing, and in
a worker nothing is compiled (`interception`). So they get a module that does just that. Whoever asks it for anything
else gets the real one, which takes a second of CPU time: a submission that imports `torch._dynamo` by itself, and
functions such as `torch.func.vmap`, `torch.utils.checkpoint` and `torch.jit.trace`.
"""

import importlib
import importlib.util
import os
import sys
import tempfile
import types
from typing import Any

import torch

_COMPILER, _ITS_TOOLS = "torch._dynamo", "torch._dynamo.utils"
_CACHE = "TORCHINDUCTOR_CACHE_DIR"


class _StandIn(types.ModuleType):
    """In the place of a module that is imported as soon as it is asked for what is not in here."""

    def __getattr__(self, name: str) -> Any:
        # The import system looks for such names in every module. Only a package has a path, and is asked for it where
        # a module in it is imported.
        if name.startswith("__") and (self.__name__, name) != (_COMPILER, "__path__"):
            raise AttributeError(name)
        remove()
        return getattr(_imported(self.__name__), name)

    def __dir__(self) -> list[str]:
        remove()
        return dir(_imported(self.__name__))


def _imported(name: str) -> types.ModuleType:
    """The real module. It makes folders for what it will compile, unless one is named that is there: a confined worker
    can make none, and compiles nothing."""
    os.environ[_CACHE] = os.sep
    tempfile.tempdir = tempfile.tempdir or os.sep
    return importlib.import_module(name)


def install() -> None:
    """Put the stand-in into the compiler's place, unless that has been imported."""
    if _COMPILER in sys.modules:
        return
    compiler, tools = _StandIn(_COMPILER), _StandIn(_ITS_TOOLS)
    compiler.__spec__ = importlib.util.find_spec(_COMPILER)
    compiler.__file__ = compiler.__spec__.origin if compiler.__spec__ else None
    vars(compiler).update(disable=_leave_alone, graph_break=_do_nothing, utils=tools)
    vars(tools).update(is_compile_supported=_no)
    sys.modules |= {_COMPILER: compiler, _ITS_TOOLS: tools}
    torch._dynamo = compiler


def remove() -> None:
    """Let the next import be the real one."""
    for name in (_COMPILER, _ITS_TOOLS):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
    if isinstance(vars(torch).get("_dynamo"), _StandIn):
        del torch._dynamo


def _leave_alone(function: Any = None, recursive: bool = True, **_options: object) -> Any:
    """`torch._dynamo.disable`, as a call and as a decorator with arguments."""
    return function if function is not None else _leave_alone


def _do_nothing(*_arguments: object, **_options: object) -> None:
    """`torch._dynamo.graph_break`."""


def _no(_device_type: str) -> bool:
    """`torch._dynamo.utils.is_compile_supported`."""
    return False
