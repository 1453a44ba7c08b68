"""The trainer: repeatable, faithful to the recipe, honest about time and divergence. Real training on real images."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
from conftest import CONFIG, SCHEDULER, Compile, make
from torch import nn

from grader.errors import TaskError
from grader.recipe import Recipe
from grader.result import RejectedError, Verdict
from grader.task import Task, load
from grader.training import loop, models, optimizers, transforms
from grader.training import pool as pool_module
from grader.training.data import ImageData
from grader.training.data import load as load_data
from grader.training.pool import TrainerPool
from grader.training.transforms import Pipeline

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    loop.prepare_process(CPU)


@pytest.fixture
def recipe(compiled: Compile) -> Recipe:
    result = compiled(make())
    assert result.recipe is not None
    return result.recipe


def with_transforms(compiled: Compile, text: str) -> Recipe:
    config = CONFIG.replace("[ToTensor(), Normalize(0.5, 0.5)]", text).replace(
        "import Normalize, ToTensor", "import *\nfrom torchvision.transforms import v2"
    )
    result = compiled(make(config=config))
    assert result.recipe is not None, result.violations
    return result.recipe


def bent(recipe: Recipe, **changes: Any) -> Recipe:
    return Recipe.model_validate_json(json.dumps({**recipe.model_dump(mode="json"), **changes}))


def test_same_recipe_and_seed_give_the_same_bits(recipe: Recipe, task: Task, digits: ImageData) -> None:
    a, b = (loop.train(recipe, task, digits, 0, CPU, 60) for _ in range(2))
    assert a.epochs == b.epochs
    assert loop.train(recipe, task, digits, 1, CPU, 60).epochs != a.epochs


def test_it_learns(recipe: Recipe, task: Task, digits: ImageData) -> None:
    run = loop.train(bent(recipe, **longer(recipe, 4)), task, digits, 0, CPU, 60)
    assert run.verdict is Verdict.OK
    assert run.accuracy is not None
    assert run.accuracy > 0.5  # chance is 0.1
    assert [r.epoch for r in run.epochs] == [1, 2, 3, 4]
    assert run.accuracy == run.epochs[-1].accuracy
    assert run.epochs[-1].train_loss is not None
    assert run.epochs[0].train_loss is not None
    assert run.epochs[-1].train_loss < run.epochs[0].train_loss


def longer(recipe: Recipe, epochs: int, lr: float = 0.02) -> dict[str, Any]:
    steps = recipe.steps // recipe.epochs * epochs
    group = recipe.groups[0].model_dump(mode="json")
    others = {k: {"values": v["values"][:1], "counts": [steps]} for k, v in group["others"].items()}
    return {"epochs": epochs, "groups": [{**group, "lr": {"values": [lr], "counts": [steps]}, "others": others}]}


def test_it_equals_a_plain_training_loop(recipe: Recipe, task: Task, digits: ImageData) -> None:
    """The same updates as the loop that anybody would write, on the same order of the same images."""
    model = models.build(task, digits.classes, 0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 0.99**n)
    images = torch.stack([v1.Normalize(0.5, 0.5)(v1.ToTensor()(image)) for image in digits.train.images])
    labels = torch.from_numpy(digits.train.labels)
    torch.manual_seed(0)
    for epoch in range(1, recipe.epochs + 1):
        for indices in loop.epoch_order(len(labels), 0, epoch).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[indices]), labels[indices]).backward()
            optimizer.step()
            scheduler.step()
    with torch.no_grad():
        tests = torch.stack([v1.Normalize(0.5, 0.5)(v1.ToTensor()(image)) for image in digits.test.images])
        right = (model(tests).argmax(1) == torch.from_numpy(digits.test.labels)).float().mean().item()
    assert loop.train(recipe, task, digits, 0, CPU, 60).accuracy == pytest.approx(right, abs=2e-3)


def test_initial_weights_and_order_are_shared_by_all_recipes_of_a_seed(task: Task) -> None:
    a, b = models.build(task, 10, 7), models.build(task, 10, 7)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert torch.equal(loop.epoch_order(100, 7, 1), loop.epoch_order(100, 7, 1))
    assert not torch.equal(loop.epoch_order(100, 7, 1), loop.epoch_order(100, 7, 2))
    assert not torch.equal(loop.epoch_order(100, 7, 1), loop.epoch_order(100, 8, 1))


def test_running_out_of_time_names_the_epoch(recipe: Recipe, task: Task, digits: ImageData) -> None:
    run = loop.train(bent(recipe, **longer(recipe, 500)), task, digits, 0, CPU, 0.5)
    assert run.verdict is Verdict.TIMEOUT
    assert run.accuracy is None
    assert "epoch" in run.detail
    assert "of 500" in run.detail
    assert run.seconds < 5


def test_divergence_keeps_the_accuracy_and_is_marked(recipe: Recipe, task: Task, digits: ImageData) -> None:
    run = loop.train(bent(recipe, **longer(recipe, 3, lr=1e6)), task, digits, 0, CPU, 60)
    assert run.verdict is Verdict.DIVERGED
    assert run.accuracy is not None
    assert run.accuracy < 0.3
    assert run.epochs[-1].train_loss is None
    assert "in epoch 1 of 3" in run.detail


def test_the_schedule_reaches_the_optimizer_step_by_step(compiled: Compile, task: Task, digits: ImageData) -> None:
    scheduler = make().files["scheduler.py"].decode().replace("0.99**self.last_epoch", "(1 + self.last_epoch)")
    recipe = compiled(make(scheduler=scheduler)).recipe
    assert recipe is not None
    optimizer = optimizers.build(recipe, models.build(task, 10, 0))
    schedule = optimizers.Schedule(recipe, optimizer)
    used = []
    for _ in range(recipe.steps):
        schedule.apply()
        used.append(optimizer.param_groups[0]["lr"])
    assert used == list(recipe.groups[0].lr.expand()) == [0.05 * (1 + n) for n in range(46)]
    with pytest.raises(StopIteration):
        schedule.apply()


def test_frozen_and_left_out_parameters_stay_still(compiled: Compile, task: Task, digits: ImageData) -> None:
    factory = "for p in model.conv1.parameters(): p.requires_grad = False\n        "
    config = CONFIG.replace("return torch", factory + "return torch").replace(
        "model.parameters(), lr", "model.fc3.parameters(), lr"
    )
    recipe = compiled(make(config=config)).recipe
    assert recipe is not None
    assert recipe.frozen == ("conv1.weight", "conv1.bias")
    assert recipe.groups[0].parameters == ("fc3.weight", "fc3.bias")
    model = models.build(task, 10, 0)
    optimizers.build(recipe, model)
    assert not model.conv1.weight.requires_grad  # type: ignore[union-attr]


def test_random_transforms_are_left_out_of_evaluation(compiled: Compile, task: Task, digits: ImageData) -> None:
    plain = with_transforms(compiled, "[ToTensor(), Normalize(0.5, 0.5)]")
    random = with_transforms(
        compiled, "[RandomCrop(32, padding=4), RandomRotation(20), ColorJitter(0.5), ToTensor(), Normalize(0.5, 0.5)]"
    )
    a, b = (transforms.held_out(r, digits.test, CPU) for r in (plain, random))
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[ToTensor(), Normalize(0.5, 0.5)]", "fixed"),
        ("[Resize(36), CenterCrop(32), Grayscale(3), ToTensor()]", "fixed"),
        ("[v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]", "fixed"),
        ("[RandomHorizontalFlip(), RandomCrop(32, padding=4), ToTensor()]", "batched"),
        ("[ToTensor(), RandomVerticalFlip(0.2), Normalize([0.5] * 3, [0.2] * 3), RandomCrop([32, 32], 2)]", "batched"),
        ("[RandomApply([ColorJitter(0.4, 0.4)], p=0.5), ToTensor(), RandomErasing()]", "per sample"),
        ("[AutoAugment(AutoAugmentPolicy.CIFAR10), ToTensor()]", "per sample"),
        ("[TrivialAugmentWide(), v2.RandomResizedCrop(32, antialias=True), ToTensor()]", "per sample"),
        ("[v2.RandomChoice([v2.RandomRotation(10), v2.GaussianBlur(3)]), v2.ToImage(),"
         " v2.ToDtype(torch.float32, scale=True)]", "per sample"),
        ("[RandomAffine(10, (0.1, 0.1), interpolation=InterpolationMode.BILINEAR), ToTensor()]", "per sample"),
    ],
)  # fmt: skip
def test_transforms_of_every_sort_are_replayed(
    text: str, mode: str, compiled: Compile, task: Task, digits: ImageData
) -> None:
    recipe = with_transforms(compiled, text)
    pipeline = Pipeline(recipe, digits.train.images, task.image, CPU)
    assert pipeline.mode == mode
    indices = torch.arange(64)
    first = pipeline.batch(indices, torch.Generator().manual_seed(1))
    again = pipeline.batch(indices, torch.Generator().manual_seed(1))
    other = pipeline.batch(indices, torch.Generator().manual_seed(2))
    assert first.shape == (64, 3, 32, 32)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (mode == "fixed")


def test_fixed_pipelines_equal_torchvision(compiled: Compile, task: Task, digits: ImageData) -> None:
    recipe = with_transforms(compiled, "[ToTensor(), Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))]")
    ours = Pipeline(recipe, digits.train.images, task.image, CPU).batch(torch.arange(20), torch.Generator())
    theirs = v1.Compose([v1.ToTensor(), v1.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))])
    assert torch.equal(ours, torch.stack([theirs(image) for image in digits.train.images[:20]]))


def test_batched_draws_have_torchvisions_distribution(compiled: Compile, task: Task) -> None:
    """One image many times: the share of each outcome is the expected one, within five standard errors."""
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    recipe = with_transforms(compiled, "[RandomHorizontalFlip(0.3), RandomCrop(32, padding=1), ToTensor()]")
    pipeline = Pipeline(recipe, image, task.image, CPU)
    count = 9000
    batch = pipeline.batch(torch.zeros(count, dtype=torch.int64), torch.Generator().manual_seed(0))
    outcomes: dict[bytes, float] = {}
    for flipped, p in ((False, 0.7), (True, 0.3)):
        picture = torch.from_numpy(image[0]).permute(2, 0, 1).float().div(255)
        picture = nn.functional.pad(picture.flip(-1) if flipped else picture, (1, 1, 1, 1))
        for top in range(3):
            for left in range(3):
                outcomes[picture[:, top : top + 32, left : left + 32].numpy().tobytes()] = p / 9
    seen = [sample.numpy().tobytes() for sample in batch.contiguous()]
    assert set(seen) == set(outcomes)
    for outcome, p in outcomes.items():
        assert abs(seen.count(outcome) - count * p) < 5 * (count * p * (1 - p)) ** 0.5


@pytest.mark.parametrize(
    "transform",
    [
        {"transform": "torchvision.transforms.Lambda", "arguments": {}},
        {"transform": "torchvision.transforms.NoSuch", "arguments": {}},
        {"transform": "torchvision.transforms.Pad", "arguments": {"padding": "much"}},
        {"transform": "torchvision.transforms.Resize", "arguments": {"size": 8}},
        {"transform": "torchvision.transforms.FiveCrop", "arguments": {"size": 32}},
    ],
)
def test_the_trainer_checks_transforms_again(
    transform: dict[str, Any], recipe: Recipe, task: Task, digits: ImageData
) -> None:
    calls = [transform, {"transform": "torchvision.transforms.ToTensor", "arguments": {}}]
    with pytest.raises(RejectedError, match="transforms:"):
        Pipeline(bent(recipe, transforms=calls), digits.train.images, task.image, CPU)


CRASHES = {
    "momentum-appears": "group['momentum'] = 0.9 if self.last_epoch > 3 else 0.0",
    "rate-beyond-float32": "group['weight_decay'] = 10.0 ** min(300, self.last_epoch * 20)",
}


def test_what_a_recipe_breaks_in_training_is_its_own_fault(compiled: Compile, task: Task) -> None:
    """torch itself fails in a plain loop with these; the trainer survives, and trains the next one."""
    pool = TrainerPool(task, "cpu", 1)
    try:
        for body in CRASHES.values():
            scheduler = SCHEDULER.replace(
                "        return [",
                f"        for group in self.optimizer.param_groups:\n            {body}\n        return [",
            )
            config = CONFIG.replace(
                "SGD(model.parameters(), lr=0.05, momentum=0.9)", "RMSprop(model.parameters(), lr=0.01)"
            )
            result = compiled(make(scheduler=scheduler, config=config))
            assert result.recipe is not None, result.violations
            run = pool.train(result.recipe, 0, 60, lambda _: None)
            assert run.verdict in (Verdict.CRASH, Verdict.DIVERGED)
            if run.verdict is Verdict.CRASH:
                assert "the training fails" in str(run.violations[0])
        assert run is not None
        good = compiled(make()).recipe
        assert good is not None
        assert pool.train(good, 0, 60, lambda _: None).verdict is Verdict.OK
    finally:
        pool.close()


def test_a_training_that_does_not_answer_is_a_timeout(
    compiled: Compile, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_GRACE_SECONDS", 1.0)
    recipe = with_transforms(compiled, "[Resize(1500), Resize(32), ToTensor()]")
    pool = TrainerPool(task, "cpu", 1)
    try:
        pool.facts()
        assert pool.train(recipe, 0, 1.0, lambda _: None).verdict is Verdict.TIMEOUT
    finally:
        pool.close()


def test_evaluation_keeps_the_size_that_random_crops_gave(compiled: Compile, task: Task, digits: ImageData) -> None:
    padded = with_transforms(compiled, "[Pad(4), RandomHorizontalFlip(), RandomCrop(32), ToTensor()]")
    plain = with_transforms(compiled, "[ToTensor()]")
    zoomed = with_transforms(compiled, "[RandomResizedCrop(32), ToTensor()]")
    expected = transforms.held_out(plain, digits.test, CPU)
    assert torch.equal(transforms.held_out(padded, digits.test, CPU), expected)
    assert torch.equal(transforms.held_out(zoomed, digits.test, CPU), expected)
    Pipeline(padded, digits.train.images, task.image, CPU)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("v2.RandomVerticalFlip(p=0.9)", {"p": 0.9}),
        ("v2.RandomInvert(0.2)", {"p": 0.2}),
        ("RandomEqualize(0.3)", {"p": 0.3}),
        ("v2.RandomAutocontrast()", {}),
        ("RandomPosterize(bits=3)", {"bits": 3}),
    ],
)
def test_arguments_survive_whichever_class_owns_the_constructor(
    text: str, arguments: dict[str, float], compiled: Compile
) -> None:
    recipe = with_transforms(compiled, f"[{text}, ToTensor()]")
    assert recipe.transforms[0].arguments == arguments


def test_a_random_order_is_replayed(compiled: Compile, task: Task, digits: ImageData) -> None:
    recipe = with_transforms(compiled, "[RandomOrder([RandomHorizontalFlip(), RandomInvert()]), ToTensor()]")
    assert Pipeline(recipe, digits.train.images, task.image, CPU).mode == "per sample"


@pytest.mark.parametrize("name", sorted(models.REGISTRY))
def test_registry_models_train(name: str, recipe: Recipe, task: Task, digits: ImageData) -> None:
    small = ImageData(type(digits.train)(digits.train.images[:256], digits.train.labels[:256]), digits.test, 10, "few")
    held_out = task.model_copy(update={"model": name})
    parameters = [p.name for p in models.facts_of(held_out, small).parameters]
    changes = longer(recipe, 2)
    steps = 2 * 4
    group = changes["groups"][0]
    series = {k: {**v, "counts": [steps]} for k, v in group["others"].items()}
    group = {"parameters": parameters, "lr": {"values": [0.02], "counts": [steps]}, "others": series}
    run = loop.train(bent(recipe, epochs=2, groups=[group]), held_out, small, 0, CPU, 60)
    assert run.verdict is Verdict.OK
    assert len(run.epochs) == 2


def test_a_course_brings_its_own_model_and_images(tmp_path: Any, recipe: Recipe) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for label in range(2):
            folder = tmp_path / "images" / part / f"class{label}"
            folder.mkdir(parents=True)
            for n in range(6):
                Image.new("L", (20, 24), 40 + 150 * label + n).save(folder / f"{n}.png")
    (tmp_path / "model.py").write_text(
        "from torch import nn\n\n\nclass HeldOut(nn.Sequential):\n"
        "    def __init__(self, channels, height, width, classes):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(channels * height * width, classes))\n"
    )
    (tmp_path / "held-out.toml").write_text(
        'name = "held-out"\nmodel = "model.py:HeldOut"\nseeds = [5]\n[data]\nsource = "folder"\npath = "images"\n'
    )
    own = load(str(tmp_path / "held-out.toml"))
    images = load_data(own)
    facts = models.facts_of(own, images)
    assert (facts.n_train, facts.n_test, facts.classes) == (12, 12, 2)
    assert [p.name for p in facts.parameters] == ["1.weight", "1.bias"]
    assert images.hash == load_data(own).hash  # the second time from the cache


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"', "model: Field required"),
        ('name = "X"\nmodel = "lenet"\n[data]\nsource = "digits"', "name"),
        ('name = "x"\nmodel = "lenet"\ntypo = 1\n[data]\nsource = "digits"', "typo"),
        ('name = "x"\nmodel = "lenet"\n[data]\nsource = "folder"', "needs path"),
        ('name = "x"\nmodel = "lenet"\nseeds = [1, 1]\n[data]\nsource = "digits"', "a seed stands twice"),
        ("name = ", "not valid TOML"),
    ],
)
def test_a_wrong_task_file_is_explained(tmp_path: Any, text: str, message: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(TaskError, match=str(message)):
        load(str(path))
    with pytest.raises(TaskError, match="there is no task 'nope'"):
        load("nope")


@pytest.mark.parametrize("model", ["nope", "missing.py:Net", "lenet"])
def test_a_wrong_model_is_explained(tmp_path: Any, model: str) -> None:
    image = "image = [3, 8, 8]" if model == "lenet" else ""
    (tmp_path / "t.toml").write_text(f'name = "t"\nmodel = "{model}"\n{image}\n[data]\nsource = "digits"\n')
    with pytest.raises(TaskError, match="model"):
        models.build(load(str(tmp_path / "t.toml")), 10, 0)


def test_an_empty_class_or_a_model_without_parameters_is_the_tasks_fault(tmp_path: Any) -> None:
    for part in ("train", "test"):
        for label in range(2):
            (tmp_path / "images" / part / f"class{label}").mkdir(parents=True)
    (tmp_path / "t.toml").write_text('name = "t"\nmodel = "lenet"\n[data]\nsource = "folder"\npath = "images"\n')
    with pytest.raises(TaskError, match=r"no images .* in .*class0"):
        load_data(load(str(tmp_path / "t.toml")))
    (tmp_path / "model.py").write_text(
        "from torch import nn\n\n\nclass Empty(nn.Module):\n"
        "    def __init__(self, *sizes):\n        super().__init__()\n\n\n"
        "class Wrong(nn.Sequential):\n    def __init__(self, c, h, w, classes):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(c * h * w, classes + 1))\n"
    )
    for kind, message in (("Empty", "no parameters"), ("Wrong", "gives .8, 11.")):
        (tmp_path / "t.toml").write_text(f'name = "t"\nmodel = "model.py:{kind}"\n[data]\nsource = "digits"\n')
        pool = TrainerPool(load(str(tmp_path / "t.toml")), "cpu", 1)
        with pytest.raises(TaskError, match=str(message)):
            pool.facts()
        pool.close()
