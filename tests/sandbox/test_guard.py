"""What a submission may do beside setting values in the optimizer's groups, and that every check of it is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from grader.core.recipe import Recipe
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict, Violation
from grader.sandbox.base import job_of
from grader.sandbox.sandlock import SandlockSandbox
from grader.submissions.loader import Submission
from grader.training import models
from grader.training.data import ImageData
from support.acts import ACTS, acting
from support.plain_training import Bench, differing, few_images, in_a_child, plain_weights, replayed_weights
from support.schedulers import ADAM, FORMULAS, SGD, Style, stepping
from support.submissions import Compile, make


def line_of(violation: Violation, submission: Submission, file: str) -> str:
    """The line of the submission's `file` that the violation names."""
    assert violation.line is not None
    return submission.files[file].decode().splitlines()[violation.line - 1]


HARMLESS = {
    "model.to(device)": ("model.to('cpu') and ", ""),
    "model.to(cuda)": ("model.cuda() and ", ""),
    "model.train()": ("model.train() and ", ""),
    "shapes": ("print(sum(p.numel() for p in model.parameters())) or ", ""),
    "seed at import": ("", "torch.manual_seed(3)"),
    "parameters by their class": ("all(type(p) is torch.nn.Parameter for p in model.parameters()) and ", ""),
    "torch.compile": ("", "torch.compile(lambda x: x)(1)"),
    "a package that is looked for": ("", "assert __import__('importlib.util').util.find_spec('pydantic') is None"),
    "fast kernels": ("", "torch.backends.cudnn.benchmark = True; torch.set_num_threads(1)"),
}
"""Done in optimizer_factory, or when scheduler.py is imported: nothing of it changes the training."""


def assert_harmless(submission: Submission, compiled: Compile) -> None:
    """Accepted, with the recipe of the bare schedule."""
    found = compiled(submission)
    assert found.verdict is Verdict.OK, found.violations
    assert found.recipe == compiled(Style(FORMULAS["exponential"]).submission).recipe


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_nothing_in_a_training_is_let_through(name: str, compiled: Compile) -> None:
    before, at_import = HARMLESS[name]
    style = Style(FORMULAS["exponential"], optimizer=before + SGD)
    text = style.submission.files["scheduler.py"].decode()
    scheduler = text.replace("class Custom", f"{at_import}\n\n\nclass Custom")
    assert_harmless(make(scheduler=scheduler, config=style.submission.files["config.py"].decode()), compiled)


HARMLESS_IN_STEPS = {
    "state_dict": "self.saved = self.optimizer.state_dict()['param_groups'][0]['lr']",
    "copy of the optimizer": "self.saved = __import__('copy').deepcopy(self.optimizer)",
    "a generator of its own": "self.n = torch.rand(1, generator=torch.Generator().manual_seed(3))",
    "a generator put back": "g = torch.random.fork_rng(); g.__enter__(); torch.manual_seed(3); torch.rand(1); "
    "g.__exit__(None, None, None)",
    "Python's generator": "__import__('random').seed(0); __import__('random').random()",
    "a model of its own": "w = torch.ones(2, requires_grad=True); (w * w).sum().backward(); torch.optim.SGD([w], 1).step()",
    "its own parameter": "w = torch.nn.Parameter(torch.ones(2)); (w * w).sum().backward(); w.data.mul_(w.grad.sum())",
    "print": "print(P[0], self.optimizer)",
}
"""Done in every step: nothing of it changes the training."""


@pytest.mark.parametrize("name", HARMLESS_IN_STEPS)
def test_what_a_step_does_for_itself_is_let_through(name: str, compiled: Compile) -> None:
    assert_harmless(Style(acting(FORMULAS["exponential"], HARMLESS_IN_STEPS[name], "often")).submission, compiled)


@pytest.mark.parametrize(
    "act",
    [
        "self.n = torch.rand(1)",
        "self.n = torch.nn.Linear(2, 2)",
        "self.n = [torch.randn_like(p) for p in P]",
        "self.n = torch.nn.functional.dropout(P[0])",
        "g = torch.random.fork_rng(); g.__enter__(); torch.rand(1); g.__exit__(None, None, None)",
        "torch.default_generator.manual_seed(4)",
    ],
    ids=["drawn", "by a layer", "of a weight's shape", "dropout", "in a fork", "seeded"],
)
def test_draws_of_steps_from_the_training_s_generator_are_refused(act: str, compiled: Compile) -> None:
    """Where the training draws too (dropout, transforms), it would draw something else from then on."""
    submission = Style(acting(FORMULAS["exponential"], act, "once")).submission
    (violation,) = compiled(submission).violations
    assert violation.rule.value == "acts_on_training"
    assert "draws from PyTorch's random generator" in violation.what
    assert "torch.Generator()" in violation.fix
    assert act in line_of(violation, submission, "scheduler.py")


def test_running_means_are_the_training_s(sandlock: SandlockSandbox, task: Task, digits: ImageData) -> None:
    normalised = Task.model_validate({**dict(task), "model": "resnet8"})
    act = "[m.reset_running_stats() for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]"
    submission = Style(FORMULAS["exponential"], optimizer=f"[{act}, {SGD}][1]").submission
    (violation,) = Compile(sandlock, normalised, models.facts_of(normalised, few_images(digits)))(submission).violations
    assert "running_mean" in violation.what
    assert act in line_of(violation, submission, "config.py")


SETTINGS = {
    "g['amsgrad'] = t > 5": "amsgrad of group 0 changes from False to True in step 5 (epoch 1)",
    "g['maximize'] = 'no'": "maximize of group 0 is 'no', which is neither True nor False in step 0 (epoch 1)",
    "g['weight_decay'] = None": "weight_decay of group 0 is None, which is no number in step 0 (epoch 1)",
    "g['betas'] = (0.9,) if t == 4 else (0.9, 0.99)": "betas of group 0 is [0.9], not 2 numbers in step 3 (epoch 1)",
    "g['betas'] = ((0.9, 0.8), 0.9)": "betas of group 0 is [[0.9, 0.8], 0.9], not 2 numbers in step 0 (epoch 1)",
}


@pytest.mark.parametrize("line", SETTINGS)
def test_settings_of_another_kind_are_told_with_their_step(line: str, compiled: Compile) -> None:
    (violation,) = compiled(Style(stepping(line), optimizer=ADAM).submission).violations
    assert (violation.rule.value, violation.what) == ("optimizer", SETTINGS[line])


def test_adagrad_has_one_initial_value_for_all_groups(compiled: Compile) -> None:
    """The class reads it from its own argument only, whatever a group holds."""
    adagrad = "torch.optim.Adagrad([{{'params': model.parameters(){}}}], lr=0.01, initial_accumulator_value=0.5)"
    found = compiled(Style(FORMULAS["constant"], optimizer=adagrad.format("")).submission)
    assert found.recipe is not None
    assert found.recipe.groups[0].others["initial_accumulator_value"].values == (0.5,)
    own = adagrad.format(", 'initial_accumulator_value': 0.1")
    (violation,) = compiled(Style(FORMULAS["constant"], optimizer=own).submission).violations
    assert "initial_accumulator_value is not that of the optimizer" in violation.what


IN_THE_FACTORY = {
    "forward hook": "model.register_forward_hook(lambda m, i, o: o / 2)",
    "forward pre-hook": "list(model.modules())[1].register_forward_pre_hook(lambda m, i: None)",
    "backward hook": "model.register_full_backward_hook(lambda m, i, o: None)",
    "global forward hook": "torch.nn.modules.module.register_module_forward_hook(lambda m, i, o: None)",
    "forward replaced": "setattr(model, 'forward', lambda x: x)",
    "layer replaced": "setattr(model, 'conv1', torch.nn.Identity())",
    "double precision": "model.double()",
    "half precision": "model.to(torch.float16)",
    "weights initialised": "model.apply(lambda m: torch.nn.init.zeros_(m.weight) if hasattr(m, 'weight') else None)",
    "seeded": "torch.manual_seed(0)",
    "deterministic": "torch.use_deterministic_algorithms(True)",
    "default device": "torch.set_default_device('meta')",
    "forward of the class": "setattr(type(model), 'forward', lambda self, x: x)",
    "mode of the class": "setattr(type(model), 'train', lambda self, mode=True: self)",
    "weights normalised": "torch.nn.utils.parametrizations.weight_norm(model.fc1)",
    "model run": "__import__('copy').deepcopy(model)(torch.zeros(1, 3, 32, 32))",
}


@pytest.mark.parametrize("name", IN_THE_FACTORY)
def test_acts_in_the_factory_are_refused_with_their_line(name: str, compiled: Compile) -> None:
    act = IN_THE_FACTORY[name]
    style = Style(FORMULAS["exponential"], optimizer=f"[{act}, {SGD}][1]")
    submission = style.submission
    found = compiled(submission)
    assert found.verdict is Verdict.CONTRACT, found
    (violation, *_) = found.violations
    assert violation.file == "config.py"
    assert act in line_of(violation, submission, "config.py")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "[p.requires_grad_(self.last_epoch != 7) for p in P[:2]]",
            "the scheduler freezes or unfreezes parameters in step 6 ",
        ),
        ("self.norm = torch.nn.utils.clip_grad_norm_(P, 1.0)", "gradients exist in a training only"),
        ("torch.optim.Adam(P, lr=1e-3).step()", "calls optimizer.step() itself"),
        ("self.n = torch.Generator().manual_seed(torch.initial_seed())", "the state of PyTorch's generator"),
        ("self.n = torch.get_rng_state()", "the state of PyTorch's generator"),
        ("torch.cuda.manual_seed_all(3)", "the generators of GPUs are seeded"),
        ("__import__('config').CONFIG.transforms.transforms[1].std = (0.1,)", "changes CONFIG.transforms"),
        ("self.n = f'{P[0].norm():.3f}'", "exist in a training only"),
        ("self.n = P[0][P[0] > 0]", "reads the values of weights"),
        ("self.n = self.optimizer.state == {}", "the optimizer's state exists in a training only"),
        (
            "self.optimizer.param_groups[0]['weight_decay'] = P[0].norm()",
            "weight_decay of group 0 is computed from weights",
        ),
        ("self.n = torch.autograd.graph.saved_tensors_hooks(abs, abs).__enter__()", "a hook on saved tensors"),
    ],
    ids=[
        "frozen and freed",
        "reads gradients through torch",
        "own second optimizer",
        "the training's seed",
        "the training's generator",
        "GPU seeded",
        "other transforms",
        "weights in a text",
        "weights indexed",
        "state compared",
        "settings from weights",
        "saved tensors hooked",
    ],
)
def test_further_acts_of_a_step(line: str, words: str, compiled: Compile) -> None:
    found = compiled(Style(acting(FORMULAS["exponential"], line, "often").replace("> 7", "in (7, 8)")).submission)
    assert found.verdict is Verdict.CONTRACT, found
    assert words in str(found.violations[0])


CAUGHT = {
    "gradients": "self.n = float(torch.nn.utils.clip_grad_norm_(P, 1.0))",
    "weights": "self.n = sum(float(p.norm()) for p in P)",
    "weights as a list": "self.n = P[0].tolist()",
    "the optimizer's state": "self.optimizer.state[P[0]]['momentum_buffer'].zero_()",
    "clearing the state": "self.optimizer.state.clear()",
}


@pytest.mark.parametrize("name", CAUGHT)
def test_a_refusal_stands_whoever_catches_the_error(name: str, compiled: Compile) -> None:
    body = (
        FORMULAS["exponential"].rstrip()
        + f"""

    def step(self, epoch=None):
        super().step()
        P = [p for g in self.optimizer.param_groups for p in g["params"]]
        try:
            {CAUGHT[name]}
        except Exception:
            self.n = 1.0
"""
    )
    found = compiled(Style(body).submission)
    assert found.verdict is Verdict.CONTRACT, found
    (violation,) = found.violations
    assert CAUGHT[name] in line_of(violation, Style(body).submission, "scheduler.py")


PATCHES = {
    "step of a class": "torch.optim.SGD.step = lambda self, closure=None: None",
    "zero_grad of all": "torch.optim.Optimizer.zero_grad = lambda self, set_to_none=True: None",
    "the loss": "torch.nn.functional.cross_entropy = lambda *a, **k: 0",
    "backward": "torch.Tensor.backward = lambda *a, **k: None",
    "a layer's mode": "torch.nn.BatchNorm2d.train = lambda self, mode=True: self",
    "a class of that name": "torch.optim.SGD = type('SGD', (torch.optim.SGD,), {})",
    "autocast": "torch.autocast('cpu', dtype=torch.bfloat16).__enter__()",
    "a function of torch": "torch.relu = lambda x: x",
    "the function of an optimizer": "__import__('sys').modules['torch.optim.sgd'].sgd = lambda *a, **k: None",
    "tf32 in convolutions": "torch.backends.cudnn.allow_tf32 = not torch.backends.cudnn.allow_tf32",
    "products in bfloat16": "torch.backends.mkldnn.fp32_precision = 'bf16'",
}


@pytest.mark.parametrize("name", PATCHES)
def test_what_is_patched_at_import_is_refused_with_its_line(name: str, compiled: Compile) -> None:
    text = Style(FORMULAS["exponential"]).submission.files["scheduler.py"].decode() + f"\n\n{PATCHES[name]}\n"
    submission = make(scheduler=text, config=Style("").submission.files["config.py"].decode())
    found = compiled(submission)
    assert found.verdict is Verdict.CONTRACT, found
    violation = found.violations[0]
    assert violation.rule.value == "acts_on_training"
    assert PATCHES[name] in line_of(violation, submission, "scheduler.py")


FOR_A_WHILE = {
    "forward hook": ("self.h = M.register_forward_hook(lambda m, i, o: o / 2)", "self.h.remove()"),
    "forward replaced": ("M.conv1.forward = lambda x: x", "del M.conv1.forward"),
    "autocast": ("self.a = torch.autocast('cpu', dtype=torch.bfloat16); self.a.__enter__()",
                 "self.a.__exit__(None, None, None)"),
    "evaluation": ("M.conv1.training = False", "M.conv1.training = True"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOR_A_WHILE)
def test_what_is_undone_later_is_refused_all_the_same(name: str, compiled: Compile) -> None:
    begin, end = FOR_A_WHILE[name]
    body = (
        FORMULAS["exponential"].rstrip()
        + f"""

    def step(self, epoch=None):
        super().step()
        from config import HELD
        M = HELD[0]
        if self.last_epoch == 4: {begin}
        if self.last_epoch == 9: {end}
"""
    )
    style = Style(body, optimizer=f"HELD.append(model) or {SGD}")
    found = compiled(style.submission)
    assert found.verdict is Verdict.CONTRACT, found
    violation = found.violations[0]
    assert "in step 3 " in violation.what
    assert begin in line_of(violation, style.submission, "scheduler.py")


def test_a_parameter_lies_in_one_group(compiled: Compile) -> None:
    body = (
        FORMULAS["exponential"].rstrip()
        + """

    def __init__(self, optimizer):
        optimizer.param_groups.append(dict(optimizer.param_groups[0]))
        super().__init__(optimizer)
"""
    )
    submission = Style(body).submission
    (violation,) = compiled(submission).violations
    assert "conv1.weight lies in two groups" in violation.what
    assert "param_groups" in line_of(violation, submission, "scheduler.py")


def test_a_schedule_that_waits_for_the_optimizer_s_step_does_not_wait(compiled: Compile) -> None:
    """As they do who skip steps without an update, after PyTorch's own flag."""
    body = (
        FORMULAS["exponential"].rstrip()
        + """

    def step(self, epoch=None):
        if self.last_epoch >= 0 and not getattr(self.optimizer, "_opt_called", True):
            return
        self.optimizer._opt_called = False
        super().step()
"""
    )
    found = compiled(Style(body).submission)
    assert found.recipe is not None
    rates = list(found.recipe.groups[0].lr.expand())
    assert rates[60] == pytest.approx(0.05 * 0.97**60)


def test_the_line_is_that_of_the_act_not_of_one_that_looks_like_it(compiled: Compile) -> None:
    body = """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer):
        for p in optimizer.param_groups[0]["params"][:2]:
            p.requires_grad = False
        super().__init__(optimizer)

    def get_lr(self):
        return [b * 0.97 ** self.last_epoch for b in self.base_lrs]

    def step(self, epoch=None):
        super().step()
        if self.last_epoch == 7:
            self.optimizer.param_groups[0]["params"][0].requires_grad = True
"""
    submission = Style(body).submission
    (violation,) = compiled(submission).violations
    assert "requires_grad = True" in line_of(violation, submission, "scheduler.py")


# -- each check is needed: without it, a recipe is made that trains otherwise than the code


UNGUARDED = """
import json, sys
from grader.sandbox.inside import guard, probe, refusals
kind = sys.argv[1]
if kind == "weights":
    guard.Guard._wrote = lambda self, parameter: None
elif kind == "tensor hooks":
    guard.Guard.parameter_hooked = lambda self, tensor: None
    guard.Guard._compare_tensor_hooks = lambda self: None
elif kind == "module hooks and changes":
    guard.Guard._compare_model = lambda self: None
    guard.Guard.module_hooked = lambda self, module: None
elif kind in ("global hooks", "switches"):
    guard.Guard._compare_globals = lambda self: None
elif kind == "stepping":
    guard.Guard.stepped = lambda self, optimizer: None
    refusals.refuse_students = lambda *_: None
elif kind == "state":
    refusals.refuse_students = lambda *_: None
elif kind == "optimizer":
    guard.Guard._check_optimizer = lambda self, optimizer, state: None
elif kind == "groups":
    guard.Guard._groups_changed = lambda self, what, pattern: None
if kind != "nothing":
    explain = guard.Guard._explain
    def forgiving(self):
        explain(self)
        self._trained = list(map(guard._TRAINED, self._parameters))
        self._members = [list(map(id, group["params"])) for group in self._optimizer.param_groups]
        self._step, self._kind = vars(self._optimizer).get("step"), type(self._optimizer)
        self._kind_step = self._kind.step
    guard.Guard._explain = forgiving
print(json.dumps(probe.compile_submission(json.load(sys.stdin))))
"""
# ruff: noqa: E501 -- one act a line
KINDS = {
    "weights": "[p.data.mul_(0.5) for p in P]",
    "tensor hooks": ACTS["tensor hook"],
    "module hooks and changes": "",
    "global hooks": "register_optimizer_step_pre_hook(lambda *_: any(p.grad.zero_() is None for p in P if p.grad is not None) or None)",
    "switches": "torch.set_grad_enabled(False)",
    "stepping": ACTS["optimizer stepped"],
    "state": ACTS["state cleared"],
    "optimizer": ACTS["step replaced"],
    "groups": ACTS["parameters frozen"],
}  # fmt: skip


def compiled_without(kind: str, submission: Submission, task: Task, facts: TaskFacts) -> dict[str, object]:
    """The probe's document with one kind of check switched off."""
    done = subprocess.run(
        [sys.executable, "-c", UNGUARDED, kind], input=job_of(submission, task, facts), capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_check_the_oracle_sees_another_training(kind: str, task: Task, digits: ImageData) -> None:
    bench = Bench(task, few_images(digits))
    facts = models.facts_of(task, bench.data)
    if kind == "module hooks and changes":
        hooked = f"[model.register_forward_hook(lambda m, i, o: o / 2), {SGD}][1]"
        submission = Style(FORMULAS["exponential"], optimizer=hooked).submission
    else:
        submission = Style(acting(FORMULAS["exponential"], KINDS[kind], "once")).submission
    assert compiled_without("nothing", submission, task, facts)["recipe"] is None
    document = compiled_without(kind, submission, task, facts)
    assert document["violations"] == [], document["violations"]
    recipe = Recipe.model_validate_json(json.dumps(document["recipe"]))
    plain = in_a_child(lambda: plain_weights(submission, recipe, bench))
    if isinstance(plain, str):  # a training that the act breaks altogether
        assert "does not require grad" in plain
        return
    assert differing(plain, replayed_weights(recipe, bench))
