"""Fingerprints of code, made in a separate process, since a malicious text can keep a lexer busy for hours.

Schleimer, Wilkerson and Aiken, Winnowing: Local Algorithms for Document Fingerprinting, SIGMOD 2003, as copydetect
does it, over the token stream.
"""

import io
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Self

from grader.core.limits import limit_cpu, limit_memory

_GRAM, _WINDOW = 16, 6  # characters: shorter than copydetect's usual, for files of thirty lines
#: A file of the largest size that is taken needs half a second; the kernel counts whole ones.
_CPU_SECONDS, _WALL_SECONDS = 2, 30.0
_MEMORY_MB = 200


class Fingerprints:
    """Makes fingerprints; a context manager, which ends its process."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def of(self, code: str, boilerplate: Any = None) -> Any:
        """copydetect's fingerprint of `code` without the hashes in `boilerplate`; None if it takes too long."""
        try:
            return self._run(_fingerprint, code, boilerplate)
        except (BrokenProcessPool, TimeoutError, MemoryError):
            self._end()
            return None

    def _run(self, act: Callable[..., Any], *arguments: Any) -> Any:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_prepare)
        return self._pool.submit(act, *arguments).result(_WALL_SECONDS)

    def _end(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list(pool._processes.values()):
                process.kill()
            pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    import copydetect  # noqa: F401 -- import now, so that import time is not charged to the first file

    limit_memory(_MEMORY_MB)


def _fingerprint(code: str, boilerplate: Any) -> Any:
    from copydetect import CodeFingerprint

    limit_cpu(_CPU_SECONDS)
    return CodeFingerprint("scheduler.py", _GRAM, _WINDOW, boilerplate, language="python", fp=io.StringIO(code))
