"""Which held-out images a training classified correctly: a bit per image, as text."""

import base64
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from grader.core.recipe import Frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ImageBits(Frozen):
    """A bit per held-out image, in their order; 1 if it was classified correctly."""

    count: int = Field(ge=1)
    packed: str  # base64 of the bits, eight to a byte, the first one highest

    @model_validator(mode="after")
    def _whole(self) -> Self:
        data = base64.b64decode(self.packed, validate=True)  # raises ValueError
        if len(data) != -(-self.count // 8):
            raise ValueError(f"{len(data)} bytes are not the bits of {self.count} images")
        return self

    @classmethod
    def of(cls, right: "NDArray[np.bool_]") -> Self:
        """From booleans [N]."""
        import numpy as np

        return cls(count=len(right), packed=base64.b64encode(np.packbits(right).tobytes()).decode())

    def array(self) -> "NDArray[np.bool_]":
        """As booleans [N]."""
        import numpy as np

        return np.unpackbits(np.frombuffer(base64.b64decode(self.packed), np.uint8))[: self.count].astype(bool)

    def sample(self, most: int, views: int) -> "ImageBits":
        """The bits of at most `most` images, spread evenly over their order: all views of an image, or none.

        Images stand view by view: first all images in their first view, then all in the second.
        """
        import numpy as np

        if self.count <= most:
            return self
        right = self.array().reshape(max(1, views), -1)
        kept = np.linspace(0, right.shape[1] - 1, most // len(right)).round().astype(int)
        return ImageBits.of(right[:, kept].reshape(-1))
