"""The submission's two files as importable modules that live in memory: nothing is written anywhere."""

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType


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
        return compile(self.get_source(fullname), f"{fullname}.py", "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        exec(self.get_code(module.__name__), module.__dict__)
