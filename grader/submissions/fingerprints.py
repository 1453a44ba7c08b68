"""Fingerprints of code, made in a separate process, since a malicious text can keep a lexer busy for hours.

Schleimer, Wilkerson and Aiken, Winnowing: Local Algorithms for Document Fingerprinting, SIGMOD 2003, as copydetect
does it, over the token stream.
"""

import io
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from copy import copy
from hashlib import blake2b
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

    def of(self, code: str) -> Any:
        """copydetect's fingerprint of `code`; None if it takes too long."""
        return self._made(code, _WINDOW)

    def all_of(self, code: str) -> set[int] | None:
        """The hashes of all k-grams of `code`, not only of the selected ones; None if it takes too long."""
        found = self._made(code, 1)
        return None if found is None else set(map(int, found.hashes))

    def _made(self, code: str, window: int) -> Any:
        try:
            return self._run(_fingerprint, code, window)
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
    import copydetect.utils  # import now, so that import time is not charged to the first file

    # Python's own hash differs from process to process, and with it what winnowing selects: reports would, too.
    copydetect.utils.hashed_kgrams = _hashed
    limit_memory(_MEMORY_MB)


def _hashed(text: str, k: int) -> Any:
    """The hashes of all k-grams, equal in every process."""
    import numpy as np

    grams = (text[at : at + k].encode("utf-8", "surrogatepass") for at in range(len(text) - k + 1))
    hashes = [int.from_bytes(blake2b(gram, digest_size=8).digest(), "big") >> 1 for gram in grams]
    return np.array(hashes, dtype=np.int64)


def without(fingerprint: Any, hashes: set[int]) -> Any:
    """The fingerprint without some hashes, which are then no part of the code's own."""
    from copydetect.utils import get_token_coverage

    left = copy(fingerprint)
    left.hash_idx = {found: places for found, places in fingerprint.hash_idx.items() if int(found) not in hashes}
    left.hashes = set(left.hash_idx)
    left.token_coverage = get_token_coverage(left.hash_idx, left.k, len(left.filtered_code)) if left.hashes else 0
    return left


def _fingerprint(code: str, window: int) -> Any:
    from copydetect import CodeFingerprint

    limit_cpu(_CPU_SECONDS)
    return CodeFingerprint("scheduler.py", _GRAM, window, language="python", fp=io.StringIO(code))
