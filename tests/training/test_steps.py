"""The quick ways of a training step: the values of the plain ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.core.verdict import Verdict
from grader.training import cpu_kernels, cuda_graph, loop, models, optimizers, steps
from grader.training.context import TrainingContext
from grader.training.cuda_graph import ResidentSteps
from grader.training.data import ImageData
from grader.training.deadline import Deadline
from grader.training.splits import Split
from grader.training.transforms import Pipeline
from support.recipes import CPU, bent, context_of, with_transforms
from support.submissions import Compile

WIDE = torch.channels_last


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    loop.prepare_process(CPU)


def pair(plain: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A layer as torch has it, in float64, and ours."""
    exact = type(plain)(**vars_of(plain)).double()
    exact.load_state_dict({k: v.double() for k, v in plain.state_dict().items()})
    model = nn.Sequential(plain).to(memory_format=WIDE)
    cpu_kernels.suit_cpu(model)
    assert type(model[0]) is not type(exact)
    return exact, model


def vars_of(layer: nn.Module) -> dict[str, Any]:
    names = ("in_channels", "out_channels", "kernel_size", "padding", "stride")
    known = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    if isinstance(layer, nn.Conv2d):
        known["bias"] = layer.bias is not None
    return known


LAYERS = {
    "first": (lambda: nn.Conv2d(3, 6, 5), (3, 32, 32)),
    "first, grey, without bias": (lambda: nn.Conv2d(1, 8, 3, bias=False), (1, 30, 28)),
    "first, even kernel": (lambda: nn.Conv2d(2, 4, (2, 4)), (2, 9, 21)),
    "first, odd width": (lambda: nn.Conv2d(3, 6, 5), (3, 31, 31)),
    "inner": (lambda: nn.Conv2d(6, 16, 5), (6, 14, 14)),
    "pool": (lambda: nn.MaxPool2d(2, 2), (6, 28, 28)),
    "pool, odd": (lambda: nn.MaxPool2d((2, 2)), (6, 27, 28)),
    "pool, many channels": (lambda: nn.MaxPool2d(2), (32, 8, 8)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("inner", [False, True])
def test_layers_have_the_values_and_gradients_of_torchs(name: str, inner: bool) -> None:
    make, shape = LAYERS[name]
    torch.manual_seed(1)
    exact, quick = pair(make())
    x = torch.randn(5, *shape).contiguous(memory_format=WIDE)
    y, wanted = (layer(v.requires_grad_(inner)) for layer, v in ((quick, x.clone()), (exact, x.double())))
    torch.testing.assert_close(y.double(), wanted, rtol=1e-5, atol=1e-5)
    variables = list(zip(quick.parameters(), exact.parameters(), strict=True))
    if not variables and not inner:
        return
    a, b = x.clone().requires_grad_(inner), x.double().requires_grad_(inner)
    g = torch.randn_like(y)
    quick(a).backward(g)
    exact(b).backward(g.double())
    for p, q in [*variables, *([(a, b)] if inner else [])]:
        assert p.grad is not None
        assert q.grad is not None
        torch.testing.assert_close(p.grad.double(), q.grad, rtol=1e-4, atol=1e-4)


def test_of_equal_maxima_one_gets_the_whole_gradient() -> None:
    plain = nn.MaxPool2d(2)
    quick = nn.Sequential(nn.MaxPool2d(2))
    cpu_kernels.suit_cpu(quick)
    values = torch.randint(3, (8, 6, 28, 28), generator=torch.Generator().manual_seed(0)).float()
    a, b = (values.clone().contiguous(memory_format=WIDE).requires_grad_() for _ in range(2))
    g = torch.randn(8, 6, 14, 14)
    assert torch.equal(plain(a), quick(b))
    plain(a).backward(g)
    quick(b).backward(g)
    assert a.grad is not None
    assert b.grad is not None
    windows = [v.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2) for v in (values, a.grad, b.grad)]
    at_maximum = windows[0] == windows[0].amax(-1, keepdim=True)
    for gradient in windows[1:]:
        assert int((gradient != 0).sum(-1).max()) == 1
        assert not (gradient != 0)[~at_maximum].any()
        assert torch.equal(gradient.sum(-1), g)
    clear = at_maximum.sum(-1) == 1
    assert torch.equal(windows[1][clear], windows[2][clear])


def test_a_tasks_own_classes_stay_as_they_are() -> None:
    class Own(nn.Conv2d):
        pass

    model = nn.Sequential(Own(3, 6, 5), nn.Conv2d(3, 6, 5, stride=2), nn.Conv2d(3, 6, 5, padding=2), nn.MaxPool2d(3))
    before = [type(layer) for layer in model]
    cpu_kernels.suit_cpu(model)
    assert [type(layer) for layer in model] == before


def trained(
    kind: str, recipe: Recipe, task: Task, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[float], Tensor]:
    """The losses of all steps, and the weights."""
    monkeypatch.setattr(steps, "fits", lambda *_: kind == "resident")
    model = models.build(task, data.classes, 0).to(memory_format=WIDE)
    ways = steps.steps_for(recipe, model, context_of(task, data), repeatable=True)
    assert isinstance(ways, ResidentSteps) == (kind == "resident")
    pipeline = Pipeline(recipe, data.train, context_of(task, data))
    losses = []
    for epoch in range(1, recipe.epochs + 1):
        order = loop.epoch_order(len(data.train), 0, epoch)
        batches = pipeline.batches(order, recipe.batch_size, torch.Generator().manual_seed(epoch))
        found = ways.epoch(batches, data.train.on(CPU).labels[order], Deadline(3600.0, CPU))
        assert found is not None
        losses += [float(loss) for loss in found]
    return losses, torch.cat([p.detach().flatten() for p in model.parameters()])


def test_resident_steps_train_as_the_host_does(
    recipe: Recipe, task: Task, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step that a GPU repeats by itself, run eagerly: batches, the short last one, every rate of the schedule."""
    assert len(digits.train) % recipe.batch_size
    ours, weights = trained("resident", recipe, task, digits, monkeypatch)
    theirs, expected = trained("host", recipe, task, digits, monkeypatch)
    assert len(ours) == recipe.steps
    assert ours == pytest.approx(theirs, rel=1e-4)
    torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-4)


def test_what_a_device_cannot_repeat_is_known(recipe: Recipe) -> None:
    assert optimizers.capturable(recipe)
    group = recipe.groups[0].model_dump(mode="json")
    moving = {**group["others"], "momentum": {"values": [0.9, 0.8], "counts": [recipe.steps - 1, 1]}}
    assert not optimizers.capturable(bent(recipe, groups=[{**group, "others": moving}]))
    assert optimizers.capturable(bent(recipe, optimizer="RMSprop"))
    assert not optimizers.capturable(bent(recipe, optimizer="Adagrad"))
    assert not cuda_graph.fits(recipe, TrainingContext(CPU, WIDE, (3, 32, 32), 1437))


@pytest.mark.parametrize("kind", ["resident", "host"])
def test_a_deadline_ends_an_epoch(
    kind: str, recipe: Recipe, task: Task, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "fits", lambda *_: kind == "resident")
    model = models.build(task, digits.classes, 0)
    ways = steps.steps_for(recipe, model, context_of(task, digits), repeatable=True)
    before = [p.clone() for p in model.parameters()]
    batches = Pipeline(recipe, digits.train, context_of(task, digits)).batches(
        torch.arange(len(digits.train)), recipe.batch_size, torch.Generator()
    )
    assert ways.epoch(batches, digits.train.on(CPU).labels, Deadline(-1.0, CPU)) is None
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def conditional(task: Task, tmp_path: Path, body: str) -> Task:
    """The task with a model of its own."""
    source = f"""
import torch
from torch import nn


class Own(nn.Module):
    def __init__(self, channels, height, width, classes):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 5)
        self.extra = nn.Linear(6, 6)
        self.head = nn.Linear(6, classes)
        self.steps = 0

    def forward(self, x):
        self.steps += 1
{body}
"""
    (tmp_path / "model.py").write_text(source)
    return task.model_copy(update={"model": "model.py:Own", "folder": tmp_path})


OWN_MODELS = {
    "in place after a convolution": """
        x = nn.functional.max_pool2d(self.conv(x).relu_(), 4).mul_(1.0)
        return self.head(self.extra(x.mean((2, 3))))""",
    "a layer that rests now and then": """
        x = self.conv(x).relu().mean((2, 3))
        return self.head(self.extra(x) if self.steps % 3 == 0 else x)""",
    "its input changed in place": """
        return self.head(self.extra(self.conv(x.sub_(0.5)).relu().mean((2, 3))))""",
}


@pytest.mark.parametrize("name", OWN_MODELS)
@pytest.mark.parametrize("transforms", ["[ToTensor()]", "[Resize(36), CenterCrop(32), ToTensor()]"])
def test_models_of_ones_own_train_the_same_every_time(
    name: str, transforms: str, compiled: Compile, task: Task, digits: ImageData, tmp_path: Path
) -> None:
    own = conditional(task, tmp_path, OWN_MODELS[name])
    parameters = [p.name for p in models.facts_of(own, digits).parameters]
    recipe = with_transforms(compiled, transforms)
    group = {**recipe.groups[0].model_dump(mode="json"), "parameters": parameters}
    recipe = bent(recipe, groups=[group])
    loop.rehearse(own, digits, CPU)
    first, again = (loop.train(recipe, own, digits, 0, CPU, 60) for _ in range(2))
    assert first.verdict is Verdict.OK
    assert first.epochs == again.epochs
    assert first.epochs[-1].train_loss != first.epochs[0].train_loss


def test_what_was_trained_before_does_not_matter(compiled: Compile, task: Task, digits: ImageData) -> None:
    """Dropout, transforms that are applied once, transforms that go image by image."""
    dropout = task.model_copy(update={"model": "vgg"})
    few = ImageData(Split(digits.train.images[:128], digits.train.labels[:128]), digits.test, 10, "few")
    texts = ("[RandomResizedCrop(32, (0.5, 1.0)), ToTensor()]", "[Resize(36), CenterCrop(32), ToTensor()]",
             "[RandomPosterize(3), Resize(36), CenterCrop(32), ToTensor()]")  # fmt: skip
    parameters = [p.name for p in models.facts_of(dropout, few).parameters]
    recipes = []
    for text in texts:
        recipe = with_transforms(compiled, text)
        group = recipe.groups[0].model_dump(mode="json")
        others = {k: {**v, "counts": [4]} for k, v in group["others"].items()}
        group = {"parameters": parameters, "lr": {"values": [0.02], "counts": [4]}, "others": others}
        recipes.append(bent(recipe, groups=[group]))
    first = [loop.train(recipe, dropout, few, 0, CPU, 60).epochs for recipe in recipes]
    again = [loop.train(recipe, dropout, few, 0, CPU, 60).epochs for recipe in reversed(recipes)]
    assert first == again[::-1]


def test_adagrad_starts_from_what_the_student_said(recipe: Recipe, task: Task) -> None:
    group = recipe.groups[0].model_dump(mode="json")
    settings = {"initial_accumulator_value": 0.1, "lr_decay": 0.0, "eps": 1e-10, "weight_decay": 0.0, "maximize": False}
    others = {k: {"values": [v], "counts": [recipe.steps]} for k, v in settings.items()}
    adagrad = bent(recipe, optimizer="Adagrad", groups=[{**group, "others": others}])
    model = models.build(task, 10, 0)
    optimizer = optimizers.build(adagrad, model)
    assert float(optimizer.state[model.conv1.weight]["sum"].max()) == pytest.approx(0.1)  # type: ignore[index, union-attr]
