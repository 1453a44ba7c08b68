"""One training of a recipe, as plain data."""

from enum import StrEnum

from grader.core.image_bits import ImageBits
from grader.core.recipe import Frozen
from grader.core.verdict import Verdict, Violation

#: Into how many parts an epoch's steps are divided for `EpochRecord.parts`.
EPOCH_PARTS = 10


class EpochRecord(Frozen):
    """One epoch of one training."""

    epoch: int  # from 1
    train_loss: float | None  # mean cross-entropy over the epoch's batches; None: not finite
    accuracy: float  # share of the held-out images classified correctly after the epoch
    lr: float  # learning rate of the first group in the epoch's last step
    parts: tuple[float | None, ...] = ()  # mean loss over equal parts of the epoch's steps, at most EPOCH_PARTS


class TransformMode(StrEnum):
    """How a recipe's transforms were applied."""

    BATCHED = "batched"  # on whole batches, on the device, with a draw per image
    ONCE = "once"  # nothing is random: torchvision's own classes, once per image
    PER_IMAGE = "per image"  # torchvision's own classes, image by image, in every epoch: slow


class SeedRun(Frozen):
    """One training: a recipe on a task with one seed."""

    seed: int
    verdict: Verdict
    accuracy: float | None  # after the last epoch; None if training did not finish
    seconds: float  # wall time of the training
    epochs: tuple[EpochRecord, ...] = ()
    detail: str = ""
    device: str = ""
    transforms: TransformMode | None = None
    violations: tuple[Violation, ...] = ()  # why this recipe cannot be trained
    limit_s: float | None = None  # the time that it was given, as `grader.training.deadline` counts it
    certain: bool = True  # False: a timeout that may have been the machine's doing, which no later run takes over
    final: float | None = None  # accuracy on the part of the held-out images that the board does not show
    balanced: float | None = None  # mean over the classes of the accuracy on their images, of those that are shown
    augmented: float | None = None  # accuracy with the random transforms, one draw per image; None: not asked, or none
    right: ImageBits | None = None  # which of the held-out images that the board's score is of

    @property
    def without_private_score(self) -> "SeedRun":
        """The same without what students may not see: withheld scores, and which images were classified correctly."""
        return SeedRun.model_construct(**{**dict(self), "final": None, "right": None})
