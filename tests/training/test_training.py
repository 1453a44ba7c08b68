"""The trainer: repeatable, faithful to the recipe, honest about time and divergence. Real training on real images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
from torch import nn

from grader.core.errors import TaskError
from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.core.task_file import load
from grader.core.verdict import Verdict
from grader.sandbox.sandlock import SandlockSandbox
from grader.training import loop, models, optimizers
from grader.training import pool as pool_module
from grader.training.data import _DIGITS, ImageData
from grader.training.data import load as load_data
from grader.training.pool import TrainerPool
from grader.training.splits import Split
from support.recipes import CPU, bent, with_transforms
from support.submissions import CONFIG, SCHEDULER, Compile, make


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    loop.prepare_process(CPU)


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
    for record in run.epochs:
        parts = [loss for loss in record.parts if loss is not None]
        assert len(parts) == 10
        assert sum(parts) / 10 == pytest.approx(record.train_loss, rel=0.1)
    assert run.epochs[0].parts[0] > run.epochs[0].parts[-1]  # type: ignore[operator]


def test_the_random_transforms_are_measured_if_asked_for(
    compiled: Compile, task: Task, digits: ImageData, recipe: Recipe
) -> None:
    """Accuracy on images that the random transforms have changed, beside the one on those that they have not."""
    flipped = with_transforms(compiled, "[RandomVerticalFlip(1.0), ToTensor(), Normalize(0.5, 0.5)]")
    run = loop.train(flipped, task, digits, 0, CPU, 60, augmented=True)
    plain = loop.train(flipped, task, digits, 0, CPU, 60)
    assert plain.augmented is None
    assert plain.epochs == run.epochs
    assert run.augmented is not None
    upside_down = Split(np.ascontiguousarray(digits.test.images[:, ::-1]), digits.test.labels)
    turned = ImageData(digits.train, upside_down, digits.classes, "turned")
    assert run.augmented == pytest.approx(loop.train(flipped, task, turned, 0, CPU, 60).accuracy)
    assert run.augmented != run.accuracy
    by_image = "[v2.RandomChoice([RandomVerticalFlip(1.0)]), ToTensor(), Normalize(0.5, 0.5)]"
    again = loop.train(with_transforms(compiled, by_image), task, digits, 0, CPU, 60, augmented=True)
    assert again.transforms != run.transforms
    assert again.augmented == pytest.approx(run.augmented)
    assert loop.train(recipe, task, digits, 0, CPU, 60, augmented=True).augmented is None  # has none


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
    losses = []
    for epoch in range(1, recipe.epochs + 1):
        total = 0.0
        for indices in loop.epoch_order(len(labels), 0, epoch).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[indices]), labels[indices])
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(indices)
        losses.append(total / len(labels))
    with torch.no_grad():
        tests = torch.stack([v1.Normalize(0.5, 0.5)(v1.ToTensor()(image)) for image in digits.test.images])
        right = (model(tests).argmax(1) == torch.from_numpy(digits.test.labels)).float().mean().item()
    run = loop.train(recipe, task, digits, 0, CPU, 60)
    # The order of roundings differs, which later grows with every maximum that falls to another pixel.
    assert run.epochs[0].train_loss == pytest.approx(losses[0], rel=1e-5)
    assert [r.train_loss for r in run.epochs] == pytest.approx(losses, rel=0.02)
    assert run.accuracy == pytest.approx(right, abs=0.03)


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


def test_a_last_batch_of_one_image_trains(sandlock: SandlockSandbox) -> None:
    """One value has no variance: the embedded task's batch normalisation must not fail on it."""
    task = load("digits")
    images = load_data(task)
    few = ImageData(Split(images.train.images[:65], images.train.labels[:65]), images.test, 10, "few")
    compiled = Compile(sandlock, task, models.facts_of(task, few))(make())
    assert compiled.recipe is not None
    assert len(few.train) % compiled.recipe.batch_size == 1
    run = loop.train(compiled.recipe, task, few, 0, CPU, 60)
    assert run.verdict is Verdict.OK
    assert run.right is not None
    right, labels = run.right.array(), images.test.labels
    assert right.mean() == pytest.approx(run.accuracy)
    classes = [right[labels == n].mean() for n in range(10)]
    assert run.balanced == pytest.approx(sum(classes) / 10)  # each class counts the same
    assert run.balanced != pytest.approx(run.accuracy, abs=1e-6)


def test_the_embedded_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    theirs = load_digits()
    with np.load(_DIGITS, allow_pickle=False) as ours:
        assert (ours["images"] == theirs.images).all()
        assert (ours["labels"] == theirs.target).all()
