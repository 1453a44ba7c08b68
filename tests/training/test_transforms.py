"""Transforms: torchvision's values and torchvision's distributions, on whole batches wherever that is possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
import torchvision.transforms.functional as reference
from PIL import Image
from scipy import stats
from torch import Tensor, nn

from grader.core.recipe import Recipe, TransformCall
from grader.core.task import Task
from grader.core.verdict import RejectedError
from grader.training import transforms
from grader.training.batched.base import BatchTransform
from grader.training.batched.color import Grayscale, Jitter
from grader.training.batched.compiler import compile_calls
from grader.training.batched.geometry import Affine, Erase, ResizedCrop, inverse_affine
from grader.training.context import TrainingContext
from grader.training.data import ImageData
from grader.training.splits import Split
from grader.training.transforms import Pipeline
from support.recipes import CPU, bent, context_of, with_transforms
from support.submissions import Compile


def one_batch(pipeline: Pipeline, order: Tensor, seed: int) -> Tensor:
    (batch,) = pipeline.batches(order, len(order), torch.Generator().manual_seed(seed))
    return batch


def evaluated(recipe: Recipe, task: Task, data: ImageData) -> Tensor:
    return torch.cat(list(transforms.held_out(recipe, data.test, context_of(task, data), 100)))


def test_random_transforms_are_left_out_of_evaluation(compiled: Compile, task: Task, digits: ImageData) -> None:
    plain = with_transforms(compiled, "[ToTensor(), Normalize(0.5, 0.5)]")
    random = with_transforms(
        compiled, "[RandomCrop(32, padding=4), RandomRotation(20), ColorJitter(0.5), ToTensor(), Normalize(0.5, 0.5)]"
    )
    assert torch.equal(evaluated(plain, task, digits), evaluated(random, task, digits))


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[ToTensor(), Normalize(0.5, 0.5)]", "batched"),
        ("[Resize(36), CenterCrop(32), Grayscale(3), ToTensor()]", "once"),
        ("[v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]", "batched"),
        ("[RandomHorizontalFlip(), RandomCrop(32, padding=4), ToTensor()]", "batched"),
        ("[ToTensor(), RandomVerticalFlip(0.2), Normalize([0.5] * 3, [0.2] * 3), RandomCrop([32, 32], 2)]", "batched"),
        ("[RandomApply([ColorJitter(0.4, 0.4)], p=0.5), ToTensor(), RandomErasing()]", "batched"),
        ("[RandomRotation(15), RandomAffine(5, (0.1, 0.1), (0.9, 1.1), 4), ToTensor()]", "batched"),
        ("[v2.RandomResizedCrop(32, (0.5, 1.0)), RandomGrayscale(0.3), ToTensor()]", "batched"),
        ("[ColorJitter(0.2, 0.2, 0.2, 0.1), v2.ToTensor()]", "batched"),
        ("[ToTensor(), RandomErasing(value='random')]", "per image"),
        ("[AutoAugment(AutoAugmentPolicy.CIFAR10), ToTensor()]", "per image"),
        ("[TrivialAugmentWide(), v2.RandomResizedCrop(32, antialias=True), ToTensor()]", "per image"),
        ("[v2.RandomChoice([v2.RandomRotation(10), v2.GaussianBlur(3)]), v2.ToImage(),"
         " v2.ToDtype(torch.float32, scale=True)]", "per image"),
        ("[RandomAffine(10, (0.1, 0.1), interpolation=InterpolationMode.BILINEAR), ToTensor()]", "per image"),
    ],
)  # fmt: skip
def test_transforms_of_every_sort_are_replayed(
    text: str, mode: str, compiled: Compile, task: Task, digits: ImageData
) -> None:
    recipe = with_transforms(compiled, text)
    pipeline = Pipeline(recipe, digits.train, context_of(task, digits))
    assert pipeline.mode == mode
    indices = torch.arange(64)
    first, again, other = (one_batch(pipeline, indices, seed) for seed in (1, 1, 2))
    assert first.shape == (64, 3, 32, 32)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert torch.equal(first, other) != any(call.is_random for call in recipe.transforms)


def test_fixed_pipelines_equal_torchvision(compiled: Compile, task: Task, digits: ImageData) -> None:
    recipe = with_transforms(compiled, "[ToTensor(), Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))]")
    ours = one_batch(Pipeline(recipe, digits.train, context_of(task, digits)), torch.arange(20), 0)
    theirs = v1.Compose([v1.ToTensor(), v1.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))])
    assert torch.equal(ours, torch.stack([theirs(image) for image in digits.train.images[:20]]))


def test_batched_draws_have_torchvisions_distribution(compiled: Compile, task: Task) -> None:
    """One image many times: the share of each outcome is the expected one, within five standard errors."""
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    recipe = with_transforms(compiled, "[RandomHorizontalFlip(0.3), RandomCrop(32, padding=1), ToTensor()]")
    pipeline = Pipeline(recipe, Split(image, np.zeros(1, np.int64)), TrainingContext.of(task, 1, CPU))
    count = 9000
    batch = one_batch(pipeline, torch.zeros(count, dtype=torch.int64), 0)
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
        Pipeline(bent(recipe, transforms=calls), digits.train, context_of(task, digits))


def test_evaluation_keeps_the_size_that_random_crops_gave(compiled: Compile, task: Task, digits: ImageData) -> None:
    padded = with_transforms(compiled, "[Pad(4), RandomHorizontalFlip(), RandomCrop(32), ToTensor()]")
    plain = with_transforms(compiled, "[ToTensor()]")
    zoomed = with_transforms(compiled, "[RandomResizedCrop(32), ToTensor()]")
    expected = evaluated(plain, task, digits)
    assert torch.equal(evaluated(padded, task, digits), expected)
    assert torch.equal(evaluated(zoomed, task, digits), expected)
    Pipeline(padded, digits.train, context_of(task, digits))


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
    assert Pipeline(recipe, digits.train, context_of(task, digits)).mode == "per image"


def call(name: str, **arguments: Any) -> TransformCall:
    return TransformCall(transform=f"torchvision.transforms.{name}", arguments=arguments)


def pictures(count: int) -> Tensor:
    """Random images (N, 32, 32, 3) uint8."""
    rough = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    fine = nn.functional.interpolate(rough, 32, mode="bicubic").clamp(0, 1)
    return (fine * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.numpy())


def differences(ours: Tensor, theirs: list[Image.Image]) -> Tensor:
    return (ours.int() - torch.stack([torch.from_numpy(np.array(i)) for i in theirs]).int()).abs()


def test_affine_maps_equal_torchvisions_on_the_same_draws() -> None:
    images = pictures(50)
    numbers = torch.rand(6, 50, dtype=torch.float64, generator=generator(1)) * 2 - 1
    angle, scale = numbers[0] * 180, 1 + numbers[1] * 0.3
    shift, shear = (numbers[2] * 6).round(), numbers[3] * 20
    zero = torch.zeros_like(angle)
    matrix = inverse_affine(angle, (shift, -shift), scale, (shear, zero), (32, 32))
    ours = Affine((0, 0), size=(32, 32)).apply(images, matrix)
    theirs = [
        reference.affine(as_pil(i), float(a), [int(s), -int(s)], float(z), [float(h), 0.0])
        for i, a, s, z, h in zip(images, angle, shift, scale, shear, strict=True)
    ]
    # PIL counts in 16ths of a bit at pixel borders: single pixels may fall on the other side.
    assert (differences(ours, theirs).amax(-1) > 0).float().mean() < 0.005


def test_rotations_turn_the_way_that_torchvision_turns() -> None:
    images = pictures(30)
    rotation = compile_calls([call("RandomRotation", degrees=(20, 70)), call("ToTensor")], (3, 32, 32))
    assert rotation is not None
    angles = torch.linspace(20, 70, 30, dtype=torch.float64)
    zero = torch.zeros_like(angles)
    matrix = inverse_affine(-angles, (zero, zero), torch.ones_like(angles), (zero, zero), (32, 32))
    theirs = [reference.rotate(as_pil(i), float(a)) for i, a in zip(images, angles, strict=True)]
    assert (differences(rotation[0].apply(images, matrix), theirs).amax(-1) > 0).float().mean() < 0.005
    (drawn,) = rotation[0].draw(2000, generator())
    turned = torch.rad2deg(torch.atan2(-drawn[:, 3], drawn[:, 0]))  # clockwise, of the inverse map's inverse
    low, high = sorted((-float(turned.min()), -float(turned.max())))
    assert (round(abs(low)), round(abs(high))) in ((20, 70), (70, 20))


def test_resized_crops_equal_torchvisions_on_the_same_boxes() -> None:
    images = pictures(60)
    crop = ResizedCrop(32, 32, (0.08, 1.0), (3 / 4, 4 / 3))
    top, left, h, w = crop.draw(60, generator(2))
    theirs = [
        reference.resized_crop(as_pil(i), *map(int, box), [32, 32])
        for i, box in zip(images, zip(top, left, h, w, strict=True), strict=True)
    ]
    assert int(differences(crop.apply(images, top, left, h, w), theirs).max()) <= 1


def test_erased_boxes_equal_torchvisions() -> None:
    images = pictures(40).float().div(255)
    erase = Erase(0.7, (0.02, 0.33), (0.3, 3.3), 0.25, (32, 32))
    draws = erase.draw(40, generator(4))
    for ours, image, *box in zip(erase.apply(images, *draws), images, *draws, strict=True):
        t, le, h, w = map(int, box)
        theirs = reference.erase(image.permute(2, 0, 1), t, le, h, w, torch.tensor(0.25))
        assert torch.equal(ours.permute(2, 0, 1), theirs)


COLOURS = (
    (0, reference.adjust_brightness, 1.4),
    (1, reference.adjust_contrast, 0.6),
    (2, reference.adjust_saturation, 1.3),
    (3, reference.adjust_hue, 0.2),
)


@pytest.mark.parametrize(("number", "theirs", "factor"), COLOURS)
def test_colours_change_as_torchvisions_do(number: int, theirs: Any, factor: float) -> None:
    images = pictures(20)
    jitter = Jitter([(factor, factor) if n == number else None for n in range(4)])
    ours = jitter.apply(images, *jitter.draw(20, generator()))
    gap = differences(ours, [theirs(as_pil(i), factor) for i in images]).float()
    assert gap.mean() < 1.5  # of 255: PIL rounds in between, and hue to 256 steps


def test_each_image_has_an_order_of_its_own() -> None:
    images = pictures(1).expand(400, 32, 32, 3).contiguous()
    jitter = Jitter([(2.0, 2.0), (0.3, 0.3), None, None])
    outcomes = {image.numpy().tobytes() for image in jitter.apply(images, *jitter.draw(400, generator()))}
    one, other = (reference.adjust_brightness, 2.0), (reference.adjust_contrast, 0.3)
    assert len(outcomes) == 2
    for first, second in ((one, other), (other, one)):
        picture = second[0](first[0](as_pil(images[0]), first[1]), second[1])
        gaps = [np.abs(np.frombuffer(o, np.uint8).astype(int) - np.array(picture).flatten()).mean() for o in outcomes]
        assert min(gaps) < 1.5


def test_grey_is_pils() -> None:
    images = pictures(20)
    ours = Grayscale(1.0).apply(images, torch.ones(20, dtype=torch.bool))
    assert int(differences(ours, [reference.to_grayscale(as_pil(i), 3) for i in images]).max()) <= 1
    assert torch.equal(Grayscale(0.0).apply(images, torch.zeros(20, dtype=torch.bool)), images)


def same_distribution(ours: Tensor, theirs: list[float]) -> bool:
    return bool(stats.ks_2samp(ours.double().numpy(), np.array(theirs, float)).pvalue > 1e-4)


def test_boxes_have_torchvisions_distribution() -> None:
    """Heights, widths, tops and lefts against torchvision's own draws (Kolmogorov-Smirnov)."""
    count = 3000
    torch.manual_seed(5)
    blank = torch.zeros(3, 32, 32)
    cut = [v1.RandomResizedCrop.get_params(blank, [0.3, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]
    draws = ResizedCrop(32, 32, (0.3, 1.0), (3 / 4, 4 / 3)).draw(count, generator(6))
    for ours, place in zip(draws, range(4), strict=True):
        assert same_distribution(ours, [box[place] for box in cut])
    erased = [v1.RandomErasing.get_params(blank, (0.02, 0.33), (0.3, 3.3))[:4] for _ in range(count)]
    draws = Erase(1.0, (0.02, 0.33), (0.3, 3.3), 0.0, (32, 32)).draw(count, generator(7))
    for ours, place in zip(draws, range(4), strict=True):
        assert same_distribution(ours, [float(box[place]) for box in erased])


def test_affine_draws_have_torchvisions_distribution() -> None:
    count = 3000
    torch.manual_seed(8)
    theirs = []
    for _ in range(count):
        angle, shift, scale, shear = v1.RandomAffine.get_params([-30, 30], (0.1, 0.2), [0.8, 1.2], [-10, 10], [32, 32])
        numbers = [torch.tensor([float(n)], dtype=torch.float64) for n in (angle, *shift, scale, *shear)]
        theirs.append(
            inverse_affine(numbers[0], (numbers[1], numbers[2]), numbers[3], (numbers[4], numbers[5]), (32, 32))[0]
        )
    arguments = {"degrees": 30, "translate": (0.1, 0.2), "scale": (0.8, 1.2), "shear": 10}
    steps = compile_calls([call("RandomAffine", **arguments), call("ToTensor")], (3, 32, 32))
    assert steps is not None
    (matrix,) = steps[0].draw(count, generator(9))
    for entry in range(6):
        assert same_distribution(matrix[:, entry], [float(m[entry]) for m in theirs])


PIPELINES: list[list[TransformCall]] = [
    [call("RandomCrop", size=32, padding=3), call("RandomHorizontalFlip"), call("ToTensor"), call("RandomErasing")],
    [call("RandomApply", transforms=(call("RandomRotation", degrees=20), call("ColorJitter", hue=0.1)), p=0.5),
     call("RandomResizedCrop", size=32), call("ToTensor")],
    [call("ToTensor"), call("RandomVerticalFlip"), call("RandomGrayscale", p=0.4),
     call("RandomAffine", degrees=10, translate=(0.2, 0.2)), call("Normalize", mean=(0.4, 0.5, 0.6), std=(0.2,) * 3)],
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(PIPELINES)))
def test_an_image_does_not_depend_on_its_batch(number: int) -> None:
    steps = compile_calls(PIPELINES[number], (3, 32, 32))
    assert steps is not None
    images = pictures(16)
    drawn = [step.draw(16, generator(number)) for step in steps]

    def apply(part: slice) -> Tensor:
        batch = images[part]
        for step, draws in zip(steps, drawn, strict=True):
            assert isinstance(step, BatchTransform)
            batch = step.apply(batch, *(d[part] for d in draws))
        return batch

    whole = apply(slice(0, 16))
    assert whole.dtype == torch.float32
    torch.testing.assert_close(torch.cat([apply(slice(i, i + 1)) for i in range(16)]), whole)
    assert len({image.numpy().tobytes() for image in whole}) == 16


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("RandomCrop", {"size": 32, "padding": 3, "padding_mode": "reflect"}),
        ("RandomCrop", {"size": 32, "padding": (1, 2)}),
        ("RandomCrop", {"size": 40}),
        ("RandomRotation", {"degrees": 10, "expand": True}),
        ("RandomRotation", {"degrees": 10, "fill": 9}),
        ("RandomAffine", {"degrees": 10, "center": (0, 0)}),
        ("RandomResizedCrop", {"size": 16}),
        ("RandomErasing", {"value": "random"}),
        ("Normalize", {"mean": (0.5,), "std": (0.5,)}),  # of bytes
        ("GaussianBlur", {"kernel_size": 3}),
        ("ConvertImageDtype", {}),  # of a PIL image, which torchvision would leave as it is
        ("RandomApply", {"transforms": TransformCall(transform="torchvision.transforms.Compose")}),
    ],
)
def test_what_has_no_batch_form_is_left_to_torchvision(name: str, arguments: dict[str, Any]) -> None:
    assert compile_calls([call(name, **arguments), call("ToTensor")], (3, 32, 32)) is None


def test_helpers_do_not_show_in_the_images(compiled: Compile, task: Task, digits: ImageData) -> None:
    recipe = with_transforms(compiled, "[AutoAugment(), ToTensor()]")
    order = torch.arange(96)
    context = context_of(task, digits)
    alone, helped = (
        list(Pipeline(recipe, digits.train, context, helpers=n).batches(order, 32, generator())) for n in (0, 2)
    )
    assert len(alone) == 3
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


def test_hue_after_normalisation_is_left_to_torchvision() -> None:
    normalized = [call("ToTensor"), call("Normalize", mean=(0.5,) * 3, std=(0.25,) * 3)]
    assert compile_calls([*normalized, call("ColorJitter", hue=0.1)], (3, 32, 32)) is None
    assert compile_calls([*normalized, call("ColorJitter", brightness=0.1)], (3, 32, 32)) is not None
    assert compile_calls([call("ColorJitter", hue=0.1), *normalized], (3, 32, 32)) is not None


def test_the_size_of_a_resized_crop_may_be_a_list_of_one(compiled: Compile, task: Task, digits: ImageData) -> None:
    one, two = (with_transforms(compiled, f"[RandomResizedCrop({size}), ToTensor()]") for size in ("[32]", "(32, 32)"))
    assert torch.equal(evaluated(one, task, digits), evaluated(two, task, digits))
    (first, *_) = transforms.evaluated((call("RandomResizedCrop", size=(40,)), call("ToTensor")))
    assert first.arguments == {"size": (40, 40)}


def test_the_check_of_transforms_draws_the_same_for_everybody(compiled: Compile, task: Task, digits: ImageData) -> None:
    """One channel now and then: whatever was drawn before, the recipe is judged the same way."""
    recipe = with_transforms(compiled, "[RandomGrayscale(), ToTensor()]")
    calls = ({"transform": "torchvision.transforms.RandomApply", "arguments": {"p": 0.3, "transforms": [
        {"transform": "torchvision.transforms.Grayscale", "arguments": {"num_output_channels": 1}}]}},
        {"transform": "torchvision.transforms.ToTensor", "arguments": {}})  # fmt: skip
    flaky = bent(recipe, transforms=calls)
    outcomes = set()
    for seed in range(8):
        torch.manual_seed(seed)
        try:
            Pipeline(flaky, digits.train, context_of(task, digits))
            outcomes.add("passed")
        except RejectedError:
            outcomes.add("rejected")
    assert len(outcomes) == 1
