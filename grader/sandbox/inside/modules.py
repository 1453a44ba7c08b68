"""The submission's two files as importable modules that live in memory: nothing is written anywhere."""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Any

from .refusals import called_by_student

#: What a submission may import besides Python's standard library and its own files, whatever is installed around it.
LIBRARIES = frozenset({"torch", "torchvision", "numpy"})


class SubmissionImporter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds `scheduler` and `config` among the submitted texts, before anything else on the path."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = {name.removesuffix(".py"): text for name, text in sources.items()}

    def install(self) -> None:
        """Serve imports from now on; tracebacks and `inspect` see the source lines too."""
        for name, text in self._sources.items():
            file = f"{name}.py"
            linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        sys.meta_path.insert(0, self)
        plain = importlib.import_module

        def import_module(name: str, package: str | None = None) -> ModuleType:
            if called_by_student() and not name.startswith("."):
                self._check(name)
            return plain(name, package)

        importlib.import_module = import_module
        find = importlib.util.find_spec

        def find_spec(name: str, package: str | None = None) -> importlib.machinery.ModuleSpec | None:
            if called_by_student() and not self._allows(name):
                return None
            return find(name, package)

        importlib.util.find_spec = find_spec

    def _allows(self, name: str) -> bool:
        top = name.partition(".")[0]
        return top in sys.stdlib_module_names or top in LIBRARIES or top in self._sources

    def _check(self, name: str) -> None:
        """Raise ModuleNotFoundError, as for what is not installed, for what no sandbox lets a submission import."""
        if not self._allows(name):
            top = name.partition(".")[0]
            raise ModuleNotFoundError(f"No module named {top!r}", name=top)

    def _import(self, name: str, *where: Any, **more: Any) -> ModuleType:
        """The submission's `import`."""
        level = more.get("level", where[3] if len(where) > 3 else 0)
        if level == 0:
            self._check(name)
        return builtins.__import__(name, *where, **more)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of `scheduler` or `config`, else None."""
        if fullname not in self._sources:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, origin=f"{fullname}.py")
        if spec is not None:
            spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        """The submitted text."""
        return self._sources[fullname]

    def get_code(self, fullname: str) -> CodeType:
        """The text, compiled under the name that violations and tracebacks show."""
        file = f"{fullname}.py"
        try:
            return compile(self.get_source(fullname), file, "exec", dont_inherit=True)
        except MemoryError:  # so Python's parser says that its stack is full; no source of that size needs the memory
            raise SyntaxError("nested too deeply for Python's parser", (file, None, None, None)) from None

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        exec(self.get_code(module.__name__), module.__dict__)
