"""What a submission can ask of the model in the sandbox has the answer that the real model gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from grader.core.task import Task
from grader.core.verdict import Verdict
from grader.sandbox.sandlock import SandlockSandbox
from grader.training import models
from grader.training.data import ImageData
from support.plain_training import Bench, differing, few_images, plain_weights, replayed_weights
from support.schedulers import FORMULAS, Style
from support.submissions import Compile


class Block(nn.Sequential):
    """A subclass of a torch.nn class."""


class Net(nn.Module):
    """Layers without parameters, buffers, a tied weight, a module under two names, a frozen parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.embed.weight
        self.first = Block(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.ReLU())
        self.again = self.first
        self.act = nn.GELU()
        self.norm = nn.BatchNorm2d(3, affine=False, momentum=None)
        self.layer_norm = nn.LayerNorm((3, 4), eps=1e-3)
        self.conv = nn.Conv2d(3, 6, (3, 1), padding="same", bias=False)
        self.list = nn.ParameterList([torch.zeros(1), torch.zeros(2)])
        self.parts = nn.ModuleList([nn.Flatten(), nn.Linear(2, 2)])
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)
        self.register_buffer("table", torch.zeros(3, dtype=torch.int64), persistent=False)


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "named_parameters": lambda m: [(n, tuple(p.shape), p.requires_grad) for n, p in m.named_parameters()],
    "named_buffers": lambda m: [(n, tuple(b.shape), b.dtype) for n, b in m.named_buffers()],
    "state_dict": list,
    "children": lambda m: [(n, len(list(c.parameters()))) for n, c in m.named_children()],
    "modules": lambda m: [n for n, _ in m.named_modules()],
    "isinstance": lambda m: [[isinstance(c, k) for k in (nn.Sequential, nn.Linear, nn.BatchNorm2d, nn.Dropout)]
                             for c in m.modules()],
    "type of a parameter": lambda m: [type(p) is nn.Parameter for p in m.parameters()],
    "settings": lambda m: (m.first[2].p, m.layer_norm.eps, m.norm.momentum, m.conv.padding, m.conv.kernel_size,
                           m.first[0].in_features, m.embed.num_embeddings),
    "indexing": lambda m: (len(m.first), len(m.parts), len(m.list), m.parts[1].out_features, type(m.first[-1])),
    "tied": lambda m: (m.out.weight is m.embed.weight, m.again is m.first),
    "absent": lambda m: (m.conv.bias, m.norm.weight, m.first[1].bias is not None),
    "text": lambda m: [repr(m.first[0]), repr(m.conv), repr(m.first[2]), repr(m.layer_norm)],
    "double": lambda m: sum(p.numel() for p in m.parameters() if p.dim() > 1),
    "copy": lambda m: [n for n, _ in __import__("copy").deepcopy(m).named_parameters()],
}  # fmt: skip
ASK = """
import json, sys
import torch
from torch import nn
sys.path.insert(0, sys.argv[1])
from sandbox.test_skeleton import QUESTIONS
from grader.sandbox.inside import skeleton
model = skeleton.build(*json.load(sys.stdin))
print(json.dumps({name: repr(ask(model.state_dict() if name == "state_dict" else model)) for name, ask in QUESTIONS.items()}))
"""  # noqa: E501


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """The skeleton's, in a process of its own: what watches parameters is put into torch's own class."""
    net = Net()
    facts = [[f.model_dump(mode="json") for f in of(net)] for of in (models.modules_of, models.parameters_of)]
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", ASK, tests], input=json.dumps(facts), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_skeleton_answers_as_the_model_does(question: str, answers: dict[str, str]) -> None:
    net = Net()
    assert answers[question] == repr(QUESTIONS[question](net.state_dict() if question == "state_dict" else net))


LAYER_WISE = {
    "children": "[{'params': m.parameters(), 'lr': 0.05 * 0.7**i} for i, m in enumerate(model.children())"
    " if list(m.parameters())]",
    "modules": "[{'params': m.parameters(recurse=False), 'lr': 0.05 * 0.9**i} for i, m in enumerate(model.modules())"
    " if list(m.parameters(recurse=False))]",
    "a setting of a layer": "[{'params': m.parameters(), 'lr': 0.1 / m.out_channels} for m in model.modules()"
    " if isinstance(m, torch.nn.Conv2d)]",
    "state_dict": "[{'params': [p for n, p in model.named_parameters() if n in list(model.state_dict())[:4]]}]",
}


@pytest.mark.parametrize("model", ["resnet8", "vgg"])
@pytest.mark.parametrize("groups", LAYER_WISE)
def test_rates_by_layer_train_as_in_the_plain_loop(
    groups: str, model: str, task: Task, digits: ImageData, sandlock: SandlockSandbox
) -> None:
    other = Task.model_validate({**dict(task), "model": model})
    bench = Bench(other, few_images(digits, 48))
    style = Style(FORMULAS["exponential"], optimizer=f"torch.optim.SGD({LAYER_WISE[groups]}, lr=0.05, momentum=0.9)")
    compiled = Compile(sandlock, other, models.facts_of(other, bench.data))(style.submission)
    assert compiled.verdict is Verdict.OK, compiled.violations
    assert compiled.recipe is not None
    recipe = compiled.recipe
    assert differing(plain_weights(style.submission, recipe, bench), replayed_weights(recipe, bench)) == []
