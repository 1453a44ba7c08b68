"""The registry of models, and what the sandbox may know of one.

Models take float images (N, C, H, W) and give logits (N, classes). They differ enough in depth,
width and normalisation that a schedule tuned for one is not tuned for the others.
"""

import hashlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from grader.core.errors import TaskError
from grader.core.files import read_ordinary
from grader.core.task import BufferFact, ModuleFact, ParameterFact, Task, TaskFacts
from grader.training.data import ImageData


class LeNet(nn.Module):
    """The assignment's small CNN: two 5x5 convolutions (6, 16 channels) with pooling, linear 120, 84, classes.

    After LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998), in the form
    of PyTorch's CIFAR-10 tutorial.
    """

    def __init__(self, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        rows, columns = ((height - 4) // 2 - 4) // 2, ((width - 4) // 2 - 4) // 2
        if rows < 1 or columns < 1:
            raise TaskError(f"the model lenet needs images of at least 16x16, not {height}x{width}")
        self.fc1 = nn.Linear(16 * rows * columns, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        x = torch.relu(self.pool(self.conv1(x)))
        x = torch.relu(self.pool(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)  # type: ignore[no-any-return]


class _ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet8(nn.Module):
    """A residual network of three blocks (16, 32, 64 channels) with batch normalisation.

    He et al., Deep Residual Learning for Image Recognition (2015), section 4.2, with n = 1.
    """

    def __init__(self, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(_ResidualBlock(16, 16, 1), _ResidualBlock(16, 32, 2), _ResidualBlock(32, 64, 2))
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


class Vgg(nn.Module):
    """Pairs of 3x3 convolutions (32, 64, 128 channels) between poolings, no normalisation, dropout at the end.

    After Simonyan and Zisserman, Very Deep Convolutional Networks (2014).
    """

    def __init__(self, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels
        for outputs in (32, 64, 128):
            layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1), nn.ReLU()]
            layers += [nn.MaxPool2d(2, 2)]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128 * (height // 8) * (width // 8), 512),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(512, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        return self.head(self.features(x))  # type: ignore[no-any-return]


class SmallCNN(nn.Module):
    """Two strided convolutions (16 channels each) and two linear layers (512, classes), with batch normalisation.

    LeNet's shape with batch normalisation (Ioffe and Szegedy, 2015), which spares it the plateau at the start, and
    strides instead of pooling, which make it cheap on a CPU. `benchmarks/demo_task.py` compares it with others.
    """

    def __init__(self, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        if min(height, width) < 16:
            raise TaskError(f"the model cnn needs images of at least 16x16, not {height}x{width}")
        self.conv1 = nn.Conv2d(channels, 16, 5, 4, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        rows, columns = (-(-side // 8) for side in (height, width))
        self.fc1 = nn.Linear(16 * rows * columns, 512, bias=False)
        self.bn3 = nn.BatchNorm1d(512)
        self.fc2 = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        x = torch.relu(self._normalised(self.fc1(torch.flatten(x, 1))))
        return self.fc2(x)  # type: ignore[no-any-return]

    def _normalised(self, x: Tensor) -> Tensor:
        """By the batch; a single image by the running statistics, since one value has no variance."""
        if len(x) > 1 or not self.training:
            return self.bn3(x)  # type: ignore[no-any-return]
        norm = self.bn3
        return functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


ModelFactory = Callable[[int, int, int, int], nn.Module]
REGISTRY: dict[str, type[nn.Module]] = {"cnn": SmallCNN, "lenet": LeNet, "resnet8": ResNet8, "vgg": Vgg}


def factory_of(task: Task) -> ModelFactory:
    """The task's model class: of the registry, or `FILE.py:CLASS` beside the task file (the instructor's).

    A class of one's own is called as CLASS(channels, height, width, classes). Raises TaskError.
    """
    if ":" not in task.model:
        if task.model not in REGISTRY:
            raise TaskError(
                f"task {task.name}: there is no model {task.model!r}: use {', '.join(REGISTRY)} or FILE.py:CLASS"
            )
        return REGISTRY[task.model]
    file, _, name = task.model.partition(":")
    path = task.folder / file
    spec = importlib.util.spec_from_file_location("grader_task_model", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise TaskError(f"task {task.name}: there is no model file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise TaskError(f"task {task.name}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    kind = getattr(module, name, None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise TaskError(f"task {task.name}: {path} has no torch.nn.Module class {name}")
    return kind


def build(task: Task, classes: int, seed: int) -> nn.Module:
    """The task's model with the initial weights of `seed`, on the CPU: equal on every device."""
    factory = factory_of(task)
    torch.manual_seed(seed)
    try:
        return factory(*task.image, classes)
    except TaskError:
        raise
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise TaskError(f"task {task.name}: the model {task.model} cannot be built: {problem}") from error


def source_hash(task: Task) -> str:
    """SHA-256 of the model's source: a changed model is another training."""
    if ":" in task.model:
        source = read_ordinary(task.folder / task.model.partition(":")[0])
    else:
        model = factory_of(task)(*task.image, 10)
        source = f"{inspect.getsource(type(model))}\0{model}".encode()
    return hashlib.sha256(task.model.partition(":")[2].encode() + b"\0" + source).hexdigest()


def parameters_of(model: nn.Module) -> tuple[ParameterFact, ...]:
    """Names and shapes of a model's parameters."""
    first: dict[int, str] = {}
    facts = []
    for name, parameter in model.named_parameters(remove_duplicate=False):
        same_as = first.get(id(parameter))
        first.setdefault(id(parameter), name)
        shape, trained = tuple(parameter.shape), parameter.requires_grad
        facts.append(ParameterFact(name=name, shape=shape, trained=trained, same_as=same_as))
    return tuple(facts)


def modules_of(model: nn.Module) -> tuple[ModuleFact, ...]:
    """A model's modules: their classes and settings where they are torch.nn's, and their buffers."""
    first: dict[int, str] = {}
    facts = []
    for name, module in model.named_modules(remove_duplicate=False):
        known = first.setdefault(id(module), name)
        if known == name:
            facts.append(_module_fact(name, module))
        elif not any(name.startswith(f"{fact.name}.") for fact in facts if fact.same_as is not None):
            facts.append(ModuleFact(name=name, same_as=known))
    return tuple(facts)


def _module_fact(name: str, module: nn.Module) -> ModuleFact:
    layer = next((k.__name__ for k in type(module).__mro__ if vars(nn).get(k.__name__) is k and k is not nn.Module), "")
    public = {k: v for k, v in vars(module).items() if k == "_size" or not (k.startswith("_") or k == "training")}
    return ModuleFact(
        name=name,
        layer=layer,
        settings={key: value for key, value in public.items() if _is_plain(value)} if layer else {},
        absent=tuple(key for key, value in module._parameters.items() if value is None),
        buffers=tuple(
            BufferFact(
                name=key,
                shape=tuple(buffer.shape),
                dtype=str(buffer.dtype).removeprefix("torch."),
                persistent=key not in module._non_persistent_buffers_set,
            )
            for key, buffer in module._buffers.items()
            if buffer is not None
        ),
    )


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or (isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)))


def facts_of(task: Task, data: ImageData) -> TaskFacts:
    """What a task's data and model turn out to be."""
    model = build(task, data.classes, seed=0)
    return TaskFacts(
        n_train=len(data.train),
        n_test=len(data.test),
        classes=data.classes,
        image=task.image,
        parameters=parameters_of(model),
        modules=modules_of(model),
        data_hash=data.hash,
        model_hash=source_hash(task),
    )
