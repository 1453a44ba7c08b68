"""A task: what submissions are trained on, and within which limits. Its file: `grader.core.task_file`."""

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from grader.core.recipe import Frozen, ParameterName, canonical

#: Where the tasks that come with the package lie.
SHIPPED = Path(__file__).parent / "tasks"
#: On a CPU, how many times the limit (which is CPU time) a training may take by the clock.
WALL_FACTOR = 3.0
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class DataSource(StrEnum):
    """Where images come from."""

    DIGITS = "digits"  # 1,797 hand-written digits that come with the package
    TORCHVISION = "torchvision"  # a class of torchvision.datasets with a `train` argument
    FOLDER = "folder"  # images in PATH/train/CLASS/ and PATH/test/CLASS/


class Precision(StrEnum):
    """Arithmetic of the training."""

    FLOAT32 = "float32"  # single precision
    BFLOAT16 = "bfloat16"  # mixed precision


class Data(Frozen):
    """The `[data]` table."""

    source: DataSource  # where the images come from
    name: str = ""  # for torchvision: the class of the data set, such as "CIFAR10"
    path: str = ""  # the image folder, or torchvision's root; or the address of a folder (`s3://…`)
    label_noise: float = Field(default=0.0, ge=0.0, lt=1.0)  # share of the training labels that is drawn anew
    views: int = Field(default=0, ge=0, le=100)  # views of each held-out image, randomly turned, scaled and shifted

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source is DataSource.TORCHVISION and not self.name:
            raise ValueError('source = "torchvision" needs name, such as "CIFAR10"')
        if self.source is DataSource.FOLDER and not self.path:
            raise ValueError('source = "folder" needs path, a folder with train/ and test/')
        return self


class SandboxLimits(Frozen):
    """The `[sandbox]` table: what one submission's code may use."""

    seconds: float = Field(default=30.0, gt=0)  # CPU time; by the clock three times as much
    memory_mb: int = Field(default=1500, ge=512)  # memory; torch alone needs most of 512
    threads: int = Field(default=64, ge=4)  # threads and processes
    output_kb: int = Field(default=8192, ge=1)  # what it may print
    document_kb: int = Field(default=16384, ge=64)  # size of the recorded schedule, as JSON


class Counting(StrEnum):
    """Which of a student's gradings counts."""

    LATEST = "latest"  # the newest grading
    BEST = "best"  # the highest accuracy, which rewards trying often


class Attribution(StrEnum):
    """What becomes of a submission whose contributors or sources are missing, or still the kit's placeholders."""

    REQUIRE = "require"  # it is refused
    WARN = "warn"  # it is ranked, and marked wherever it is shown
    IGNORE = "ignore"  # nothing is said


class Reveal(Frozen):
    """The `[leaderboard]` table: which grading counts, and what leaderboard and site show besides scores."""

    counts: Counting = Counting.LATEST  # which of a student's gradings counts
    learning_rates: bool = True  # whether leaderboard and site summarise each schedule
    violations: bool = True  # whether leaderboard and site name the broken rules


def public_count(n_test: int, share: float, views: int) -> int:
    """How many of the held-out images the board's accuracy is of: at least one, and all where `share` is 1.

    All views of an image are on one side.
    """
    images = n_test // max(1, views)
    return max(1, views) * max(1, min(images, round(share * images)))


class RankBy(StrEnum):
    """What students are ranked by."""

    ACCURACY = "accuracy"  # with several workloads, the weighted mean of their accuracies
    CONTRIBUTION = "contribution"  # accuracy minus that of the same configuration at its constant rate
    MEAN_RANK = "mean-rank"  # weighted mean of a row's ranks on the workloads
    GAP_CLOSED = "gap-closed"  # weighted mean of (accuracy - default's) / (best reference's - default's)

    @property
    def relative(self) -> bool:
        """Whether the score depends on other rows of the board, and is of several workloads."""
        return self in (RankBy.MEAN_RANK, RankBy.GAP_CLOSED)

    @property
    def heading(self) -> str:
        """What a column of it is called."""
        return self.value.replace("-", " ")


class FailedWorkload(StrEnum):
    """How a workload without a score counts for a submission that has one on another."""

    UNRANKED = "unranked"  # the submission has that workload's verdict and no score
    GUESSING = "guessing"  # accuracy 1 / classes, as a diverged training has


class Ranking(Frozen):
    """The `[ranking]` table."""

    by: RankBy = RankBy.ACCURACY  # what students are ranked by
    contribution: bool = True  # train each configuration at its constant rate, too
    max_seeds: int = Field(default=10, ge=1)  # the most seeds that `--seeds adaptive` uses
    public_share: float = Field(default=1.0, gt=0.0, le=1.0)  # share of the held-out images that the board is about
    max_gradings: int | None = Field(default=None, ge=1)  # how many gradings of a student may count
    mix_device_kinds: bool = False  # rank scores of different kinds of device together; they differ in their last bits
    failed_workload: FailedWorkload = FailedWorkload.UNRANKED  # how a workload without a score counts

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.by is RankBy.CONTRIBUTION and not self.contribution:
            raise ValueError('by = "contribution" needs contribution = true')
        if self.by is RankBy.CONTRIBUTION and self.failed_workload is FailedWorkload.GUESSING:
            raise ValueError(
                'failed_workload = "guessing" and by = "contribution" do not go together: whoever contributes less '
                "than nothing on a workload would gain by failing on it"
            )
        return self


class Points(Frozen):
    """The `[points]` table: what a gradebook gives for what."""

    accepted: float = Field(default=1.0, ge=0)  # for a score at all
    beats_default: float = Field(default=1.0, ge=0)  # for a higher mean accuracy than the default scheduler's
    top_three: float = Field(default=0.0, ge=0)  # for rank 1 to 3, or a range of ranks that reaches rank 3
    sure: bool = False  # whether `beats_default` needs the whole interval of the difference above zero

    @property
    def possible(self) -> float:
        """All that can be had."""
        return self.accepted + self.beats_default + self.top_three


class Trained(Frozen):
    """What a submission is trained on: model and data."""

    model: str  # `cnn`, `lenet`, `resnet8`, `vgg`, or `model.py:Class`, a class in a file beside the task file
    image: tuple[int, int, int] = (3, 32, 32)  # channels, height and width of the images that reach the model
    precision: Precision = Precision.FLOAT32  # arithmetic of the training
    cuda_graph: bool = False  # a model of your own runs the same operations in every step, so a GPU may replay them
    data: Data

    @model_validator(mode="after")
    def _image(self) -> Self:
        if self.image[0] not in (1, 3) or min(self.image) < 1 or max(self.image) > 1024:
            raise ValueError("image must be [1 or 3, height, width]")
        return self


class Workload(Trained):
    """A `[[workload]]` table: one of several models and data sets that every submission is trained on."""

    name: Identifier  # lower-case letters, digits, `-` and `_`
    weight: float = Field(default=1.0, gt=0)  # its weight in the task's score


class Task(Trained):
    """A task file, validated. `folder` is where it lies; the model file and data are found from there.

    A task with several workloads has the model and the data of the first; `parts` are what is trained on.
    """

    name: Identifier  # lower-case letters, digits, `-` and `_`; names the folder of results
    description: str = ""  # what students may know of the task
    seeds: tuple[Annotated[int, Field(ge=0, lt=1 << 31)], ...] = Field(
        default=(0, 1, 2), min_length=1
    )  # one training each
    time_limit_s: float = Field(default=300.0, gt=0)  # sandbox plus one training: CPU seconds, on a GPU by the clock
    device_kind: str = ""  # the only kind of device to train on: `cpu`, a GPU's model, or a kind as results name it
    attribution: Attribution = Attribution.REQUIRE  # what becomes of a submission that does not name people or sources
    memory_mb: int = Field(default=4096, ge=256)  # memory of a training on a CPU, besides the data
    max_steps: int = Field(default=200_000, ge=1)  # the most steps that a training may have
    sandbox: SandboxLimits = SandboxLimits()
    leaderboard: Reveal = Reveal()
    ranking: Ranking = Ranking()
    points: Points = Points()
    workload: tuple[Workload, ...] = ()
    folder: Path = Field(default=SHIPPED, exclude=True)

    @model_validator(mode="after")
    def _sane(self) -> Self:
        names = [one.name for one in self.workload]
        if len(names) == 1:
            raise ValueError("one [[workload]] alone: write its keys at the top of the file, or add another")
        if len(set(names)) != len(names):
            raise ValueError("a workload's name stands twice")
        if any(len(self._part_name(name)) > 64 for name in names):
            raise ValueError("the names of task and workload have more than 63 characters together")
        if self.ranking.by.relative and not self.workload:
            raise ValueError(f'ranking by "{self.ranking.by}" needs several [[workload]] tables')
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed stands twice")
        return self

    def _part_name(self, workload: str) -> str:
        return f"{self.name}-{workload}"

    @property
    def parts(self) -> "tuple[Task, ...]":
        """The task itself, or each of its workloads as a task of its own; all limits are those of the task."""
        if not self.workload:
            return (self,)
        ranking = self.ranking.model_copy(update={"by": RankBy.ACCURACY})
        return tuple(
            self._with(
                **{name: getattr(one, name) for name in Trained.model_fields},
                name=self._part_name(one.name),
                workload=(),
                ranking=ranking,
            )
            for one in self.workload
        )

    def on_data(self, data: Data, name: str, description: str) -> "Task":
        """The same on other images."""
        return self._with(data=data, name=name, description=description)

    def with_seeds(self, seeds: tuple[int, ...]) -> "Task":
        """The same with other seeds."""
        return self._with(seeds=seeds)

    def with_limits(self, sandbox: SandboxLimits) -> "Task":
        """The same with other limits of the sandbox."""
        return self._with(sandbox=sandbox)

    def _with(self, **changes: object) -> "Task":
        return Task.model_validate({**dict(self), **changes})

    @property
    def training_key(self) -> str:
        """Hash of what decides a training's outcome, but for data and model, which have their own."""
        facts: dict[str, object] = {"image": self.image, "precision": self.precision}
        if self.cuda_graph:
            facts["cuda_graph"] = True
        if self.ranking.public_share < 1.0:
            facts["public_share"] = self.ranking.public_share
        return hashlib.sha256(canonical(facts).encode()).hexdigest()


class ParameterFact(Frozen):
    """One parameter of the held-out model, as the sandbox may know it."""

    name: ParameterName
    shape: tuple[int, ...]
    trained: bool = True  # requires_grad
    same_as: ParameterName | None = None  # an earlier one, which has this name too (tied weights)


class BufferFact(Frozen):
    """One buffer of a module, such as a running mean."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # as in `torch.float32`, without the dot and what is before it
    persistent: bool


PlainValue = bool | int | float | str | None


class ModuleFact(Frozen):
    """One module of the held-out model, as the sandbox may know it."""

    name: str  # dotted; "" is the model itself
    layer: str = ""  # its class in torch.nn, or the nearest that it inherits from; "" for others
    # Public attributes of a layer of torch.nn: p, eps, in_features, …
    settings: dict[str, PlainValue | tuple[PlainValue, ...]] = Field(default_factory=dict)
    absent: tuple[str, ...] = ()  # parameters that a layer could have and has not, such as bias
    buffers: tuple[BufferFact, ...] = ()
    same_as: str | None = None  # an earlier one, which has this name too


class TaskFacts(Frozen):
    """Facts about a task's data and model; made by the trainer, and all that the sandbox may know.

    Modules and parameters stand in the order of `named_modules()` and `named_parameters()`.
    """

    n_train: int
    n_test: int
    classes: int
    image: tuple[int, int, int]
    parameters: tuple[ParameterFact, ...]
    modules: tuple[ModuleFact, ...] = (ModuleFact(name=""),)
    data_hash: str
    model_hash: str

    def model_as_json(self) -> dict[str, Any]:
        """The part of the model that the sandbox may know, as JSON."""
        return self.model_dump(mode="json", include={"modules", "parameters"})

    @property
    def trainable(self) -> tuple[ParameterFact, ...]:
        """Each parameter once, whatever names it has."""
        return tuple(p for p in self.parameters if p.same_as is None)
