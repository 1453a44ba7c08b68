"""One part of a data set: images and labels, in memory and on devices."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Resident:
    """A split on a device: images (N, H, W, C) uint8, labels (N,) int64."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Split:
    """One part of a data set: images (N, H, W, C) uint8, labels (N,) int64."""

    images: Bytes
    labels: Labels
    _memory: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    def on(self, device: torch.device) -> Resident:
        """The split as tensors on `device`; moved there once, and on the CPU in the same memory."""
        key = f"on {device}"
        if key not in self._memory:
            with warnings.catch_warnings():
                # Memory that other processes share is read-only, and nothing here writes to a data set.
                warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
                images, labels = (
                    torch.from_numpy(part if part.flags.c_contiguous else part.copy())
                    for part in (self.images, self.labels)
                )
            self._memory[key] = Resident(images.to(device), labels.to(device))
        return self._memory[key]  # type: ignore[no-any-return]

    def remembered(self, key: object) -> Any:
        """What `remember` kept under `key` last, or None."""
        kept, value = self._memory.get("last", (None, None))
        return value if kept == key else None

    def remember(self, key: object, value: object) -> None:
        """Keep one derived thing, such as all images transformed; the one before it goes."""
        self._memory["last"] = (key, value)
