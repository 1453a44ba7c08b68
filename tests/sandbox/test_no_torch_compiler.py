"""Workers do without torch's compiler until somebody asks for it, and then have the real one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox.base import Sandbox
from grader.sandbox.plain import PlainSandbox
from support.submissions import CONFIG, SCHEDULER, Compile, make

SET_UP = """
import sys, torch
from grader.sandbox.inside import no_torch_compiler
no_torch_compiler.install()
import types
real = lambda: type(sys.modules.get("torch._dynamo")) is types.ModuleType
"""


def run(code: str) -> str:
    call = [sys.executable, "-W", "ignore", "-c", SET_UP + code]
    done = subprocess.run(call, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_optimizers_and_torchvision_need_no_compiler() -> None:
    """The optimizer steps as with the compiler there: outside of a compilation both calls do nothing."""
    said = run(
        """
import torchvision.transforms, torchvision.transforms.v2
p = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.AdamW([p], lr=0.5)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
for _ in range(3):
    optimizer.zero_grad(); p.grad = torch.ones(2); optimizer.step(); scheduler.step()
state = optimizer.state_dict(); optimizer.load_state_dict(state)
optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]})
print(real(), p.tolist())
"""
    )
    expected = run(
        """
no_torch_compiler.remove()
p = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.AdamW([p], lr=0.5)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
for _ in range(3):
    optimizer.zero_grad(); p.grad = torch.ones(2); optimizer.step(); scheduler.step()
print(real(), p.tolist())
"""
    )
    assert said.split(" ", 1)[0] == "False"
    assert expected.split(" ", 1)[0] == "True"
    assert said.split(" ", 1)[1] == expected.split(" ", 1)[1]


@pytest.mark.parametrize(
    "use",
    [
        "import torch._dynamo.config; torch._dynamo.config.verbose",
        "from torch._dynamo import explain",
        "import torch._dynamo; torch._dynamo.reset()",
        "torch._dynamo.config",
        "torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1))",
        "from torch._dynamo.utils import counters",
    ],
)
def test_who_uses_the_compiler_gets_the_real_one(use: str) -> None:
    assert run(f"{use}\nprint(real())") == "True\n"


def test_a_submission_may_use_it(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    code = "import torch._dynamo.config\nassert torch._dynamo.__file__\n" + SCHEDULER
    assert Compile(sandbox, task, facts)(make(scheduler=code)).verdict is Verdict.OK


@pytest.mark.parametrize(
    "use",
    [
        "torch.cond(torch.tensor(True), lambda x: x + 1, lambda x: x, (torch.ones(1),))",
        "torch.compiler.list_backends()",
        "torch.func.vmap(lambda x: x * 2)(torch.ones(2))",
        "torch.jit.trace(lambda x: x * 2, torch.ones(2))",
        "torch.testing.assert_close(torch.ones(1), torch.ones(1))",
        "torch.compile(lambda x: x + 1)",
        "torch.compiler.disable(lambda x: x)(1)",
        "__import__('importlib.util').util.find_spec('torch._dynamo').origin",
        "'optimize' in dir(torch._dynamo)",
    ],
)
def test_what_needs_the_compiler_still_works(use: str, sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    code = f"import torch\n{use}\n" + SCHEDULER
    compiled = Compile(sandbox, task, facts)(make(scheduler=code))
    assert compiled.verdict is Verdict.OK, compiled.violations


def test_the_recipe_is_the_same_with_and_without(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    """`none` runs a worker that imports torchvision only where it is named."""
    plain = Compile(PlainSandbox(), task, facts)(make(config=CONFIG))
    with_it = "import torch._dynamo.config\n" + SCHEDULER
    assert plain.recipe == Compile(sandbox, task, facts)(make(scheduler=with_it)).recipe
