"""Detects what a submission does to a training besides setting values in the optimizer's groups.

A recipe holds the optimizer's class, its groups and the settings of every step, and nothing else. Whatever else the
code would have done in a training (a hook, another `optimizer.step`, a written weight, a cleared momentum, a global
switch) would be missing from it, and the score would belong to another training. So it is a violation, at the line
where it happens.

Two nets. Functions that act (`register_hook`, `mul_`, `torch.manual_seed`, …) are wrapped, and note the line of the
submission that called them. What can be compared cheaply (identities, version counters, switches) is compared after
every step, whichever way it was changed; the noted line then says where.

What changes nothing in a training is let through: reading shapes, copies and averages in tensors of one's own,
`optimizer.zero_grad()`, `model.to(device)` and `model.train()` (the trainer moves the model and sets its mode itself),
switches that only choose how fast a kernel is (`torch.backends.cudnn.benchmark`, `torch.set_num_threads`), and seeds
that are set when the module is imported (the trainer seeds every training itself). A wrapper of `optimizer.step` or a
hook is refused even where it only counts: code cannot be proved harmless, and `step()` can count by itself.
"""

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from . import refusals
from .comparisons import contents, is_fresh, is_torchs_wrapper
from .fixes import DRAW_FIX, GROUPS_FIX, HOOK_FIX, MODEL_FIX, STATE_FIX, STEP_FIX, SWITCH_FIX, WEIGHTS_FIX
from .interception import install
from .notes import Notes
from .report import Report, explain
from .torch_globals import GLOBAL_HOOKS, TorchGlobals

RULE = "acts_on_training"
_DRAWN = "the schedule draws from PyTorch's random generator, as the training does"
_DRAWS = r"^draw: |\brand\w*\(|normal|uniform|bernoulli|multinomial|exponential|geometric|dropout|nn\.\w+\(|seed"
_OURS = 0x5EED_0F_A_57EB
_VERSION, _TRAINED = attrgetter("_version"), attrgetter("requires_grad")


class Guard:
    """Watches one submission. Violations go to the report; `broken` tells that there is one."""

    def __init__(self, report: Report) -> None:
        self.broken = False
        self._report = report
        self._now: Callable[[], str] | None = None  # which step is played, such as "in step 3 (epoch 1)"
        self._importing = True
        self._notes = Notes()
        self._model: nn.Module | None = None
        self._file = "scheduler.py"  # where to look for a line first; while the factory runs, in config.py
        self._modules: dict[int, dict[str, int]] = {}
        self._parameters: list[nn.Parameter] = []  # and buffers: who writes to running means acts as well
        self._versions: list[int] = []
        self._names: dict[int, str] = {}
        self._optimizer: Any = None
        self._switched = False  # a setter of PyTorch's was called in this step
        self._seeded: torch.Tensor | None = None  # the generator's state before the first seed of a phase
        install(self._notes, self)
        refusals.tell_refusals(self.refused)
        self._globals = TorchGlobals()

    # -- phases

    def imported(self) -> None:
        """The submission's modules were imported: from now on seeds count, and switches are compared."""
        self._importing = False
        self._compare_globals()

    def watch_model(self, model: nn.Module) -> None:
        """Before `optimizer_factory(model)`: weights and modules are compared with this moment."""
        self._model, self._file = model, "config.py"
        self._parameters = [*model.parameters(), *model.buffers()]  # type: ignore[list-item]
        self._names = {id(p): name for name, p in [*model.named_parameters(), *model.named_buffers()]}
        self._versions = list(map(_VERSION, self._parameters))
        self._cells = [p._cdata for p in self._parameters]  # whose memory each one is: `swap_tensors` exchanges it
        self._modules = {id(module): contents(module) for module in model.modules()}
        self._globals.watch_class(type(model))

    def built(self, optimizer: Any) -> None:
        """After `optimizer_factory(model)` returned."""
        self._compare_everything()
        if isinstance(optimizer, torch.optim.Optimizer):
            self._check_optimizer(optimizer, None)
            if not is_fresh(optimizer):
                self._act("optimizer_factory fills the optimizer's state", STATE_FIX, r"\.state\b|load_state_dict")
        self._file = "scheduler.py"

    def constructed(self, optimizer: Any, state: Any) -> None:
        """After `CustomLRScheduler(…)` returned: whatever it set up stands now, and must stay."""
        self._optimizer, self._kind, self._state = optimizer, type(optimizer), state
        self._step = vars(optimizer).get("step")
        self._kind_step = type(optimizer).step
        self._compare_everything()
        self._check_optimizer(optimizer, state)
        self._check_groups()
        self._members = [list(map(id, group["params"])) for group in optimizer.param_groups]
        self._versions = list(map(_VERSION, self._parameters))
        self._trained = list(map(_TRAINED, self._parameters))
        self._cells = [p._cdata for p in self._parameters]
        self._is_unchanged = self._check()
        torch.default_generator.manual_seed(_OURS)  # which no seed of a step comes to, so that each one shows
        self._drawn_from = torch.get_rng_state()

    def finished(self) -> None:
        """After the last step."""
        self._now = None
        self._check_optimizer(self._optimizer, self._state)
        self._compare_everything()
        self._check_groups()
        self._compare_draws()

    def playing(self, now: Callable[[], str]) -> None:
        """Before some steps; `now` says which one is played."""
        self._compare_draws()
        self._now = now

    def unchanged(self) -> bool:
        """After a step: whether nothing was done but settings."""
        if self._is_unchanged():
            return True
        self._explain()
        self._is_unchanged = self._check()  # of what stands now, where it came to the same
        return not self.broken

    def _check(self) -> Callable[[], bool]:
        """Everything that is compared in every step, as one function: it is called 100,000 times."""
        guard, optimizer, own = self, self._optimizer, vars(self._optimizer)
        kind, state, step, kind_step = self._kind, self._state, self._step, self._kind_step
        parameters, versions, trained = self._parameters, self._versions, self._trained
        members, hooks = self._members, [*GLOBAL_HOOKS]
        hooks += [own["_optimizer_step_pre_hooks"], own["_optimizer_step_post_hooks"]]
        grad_enabled, autocast = torch.is_grad_enabled, torch.is_autocast_enabled

        def unchanged() -> bool:
            groups = own["param_groups"]
            return (
                list(map(_VERSION, parameters)) == versions
                and list(map(_TRAINED, parameters)) == trained
                and [list(map(id, group["params"])) for group in groups] == members
                and optimizer.__class__ is kind
                and kind.step is kind_step
                and own["state"] is state
                and own.get("step") is step
                and "zero_grad" not in own
                and not any(hooks)
                and grad_enabled()
                and not autocast("cpu")
                and not autocast("cuda")
                and guard._seeded is None
                and not guard._switched
                and not guard.broken
            )

        return unchanged

    # -- comparisons

    def _compare_everything(self) -> None:
        """Also what is too dear to compare in each step."""
        self._compare_weights()
        self._compare_model()
        self._compare_globals()
        self._compare_seed()
        self._compare_tensor_hooks()

    def _explain(self) -> None:
        """What a step changed, in words."""
        self._check_optimizer(self._optimizer, self._state)
        self._compare_globals()
        self._compare_seed()
        self._compare_weights()
        if list(map(_TRAINED, self._parameters)) != self._trained:
            self._groups_changed("the scheduler freezes or unfreezes parameters", r"requires_grad")
        groups = self._optimizer.param_groups
        if len(groups) != len(self._members):
            what = f"the number of parameter groups changes from {len(self._members)} to {len(groups)}"
            self._groups_changed(what, r"add_param_group|param_groups\b.*(=|\.)")
        elif [list(map(id, group["params"])) for group in groups] != self._members:
            what = "the parameters of the groups change, or their order"
            self._groups_changed(what, r"param_groups\b.*(=|\.)|\[.params.\]")

    def _check_optimizer(self, optimizer: Any, state: Any) -> None:
        own = vars(optimizer)
        step = own.get("step")
        if not is_torchs_wrapper(step, type(optimizer)):
            self._act("optimizer.step is replaced or wrapped", STEP_FIX, r"\.step\s*=|setattr")
        if "zero_grad" in own:
            self._act("optimizer.zero_grad is replaced or wrapped", STEP_FIX, r"\.zero_grad\s*=|setattr")
        if own.get("_optimizer_step_pre_hooks") or own.get("_optimizer_step_post_hooks"):
            self._act("the optimizer has a hook", HOOK_FIX, r"register_step_\w+_hook")
        if state is not None:
            if own.get("state") is not state:
                self._act("the optimizer's state is replaced", STATE_FIX, r"\.state\s*=|load_state_dict|__setstate__")
            if type(optimizer) is not self._kind:
                self._act("the optimizer's class is changed", STEP_FIX, r"__class__")
            if type(optimizer).step is not self._kind_step:
                self._act("the step() of the optimizer's class is replaced", STEP_FIX, r"\.step\s*=|setattr")

    def _check_groups(self) -> None:
        """A group of another class could tell the optimizer something else than whoever reads it here."""
        odd = next((type(group) for group in self._optimizer.param_groups if type(group) is not dict), None)
        if odd is not None:
            self._groups_changed(f"a parameter group is a {odd.__name__}, not a dict", r"param_groups\b.*(=|\.)")

    def _compare_weights(self) -> None:
        now = list(map(_VERSION, self._parameters))
        cells = [p._cdata for p in self._parameters]
        for index, parameter in enumerate(self._parameters):
            if now[index] != self._versions[index] or cells[index] != self._cells[index]:
                self._wrote(parameter)
                break
        self._versions, self._cells = now, cells

    def _wrote(self, parameter: nn.Parameter) -> None:
        name = self._names.get(id(parameter), "a parameter")
        self._act(
            f"the code writes to the model's weights ({name})",
            WEIGHTS_FIX,
            r"\.data\b|no_grad|\binit\.\w+_\(|[a-z]_\(|swap_tensors|reset_\w+\(",
        )

    def _compare_tensor_hooks(self) -> None:
        for parameter in self._parameters:
            if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
                self._act("a parameter has a hook", HOOK_FIX, r"register_\w*hook")
                return

    def _compare_model(self) -> None:
        if self._model is None:
            return
        before, self._modules = self._modules, {id(m): contents(m) for m in self._model.modules()}
        for there in self._modules.values():
            if there in before.values():
                continue
            if any("_hooks." in name for name in there):
                self._act("a module of the model has a hook", HOOK_FIX, r"register_\w*hook|_norm\(|parametri|prune")
            else:
                self._act("the code changes the model", MODEL_FIX, r"model\.\w+\s*=|setattr|add_module|forward\s*=")
            return

    def _compare_globals(self) -> None:
        self._switched = False
        for what, fix, pattern in self._globals.changes():
            self._act(what, fix, pattern)

    def _compare_seed(self) -> None:
        before, self._seeded = self._seeded, None
        if before is not None and not torch.equal(before, torch.get_rng_state()):
            self._act(
                "PyTorch's random generator is seeded, from which the training draws", SWITCH_FIX, r"seed|rng_state"
            )

    def _compare_draws(self) -> None:
        """Where a step draws, a training that draws for dropout or transforms would draw something else."""
        if not self.broken and not torch.equal(self._drawn_from, torch.get_rng_state()):
            self._now = None
            self._act(_DRAWN, DRAW_FIX, _DRAWS)

    # -- violations

    def _act(self, what: str, fix: str, pattern: str) -> None:
        self._add(RULE, what, fix, pattern)

    def _groups_changed(self, what: str, pattern: str) -> None:
        self._add("groups", what, GROUPS_FIX, pattern)

    def _add(self, rule: str, what: str, fix: str, pattern: str) -> None:
        """Record a violation where it was noted, else at the first line of the sources that looks like it."""
        self.broken = True
        where, line = self._notes.place_of(pattern, self._report, self._file)
        self._report.add(rule, where, line, f"{what}{self._when()}", fix)

    def _when(self) -> str:
        return f" {self._now()}" if self._now is not None else ""

    # -- told by `interception`

    def seeding(self) -> None:
        """Keep the generator's state before the first seed of a step, to compare with."""
        if not self._importing and self._seeded is None:
            self._seeded = torch.get_rng_state()

    def seeding_a_gpu(self) -> None:
        """Refuse it after the import: there is no GPU here whose state could be compared."""
        if not self._importing:
            self._act("the generators of GPUs are seeded, from which the training draws", SWITCH_FIX, r"seed")

    def drew(self, meta: bool) -> None:
        """Refuse it from the first step on, but where the step itself seeded, and will put back what was."""
        if self._now is not None and (meta or self._seeded is None):
            self._act(_DRAWN, DRAW_FIX, r"^draw: ")

    def switching(self) -> None:
        """Compare the switches at the end of this step."""
        self._switched = True

    def wrote(self) -> bool:
        """Whether a version counter moved."""
        return list(map(_VERSION, self._parameters)) != self._versions

    def parameter_hooked(self, tensor: torch.Tensor) -> None:
        """Refuse a hook on a parameter of the model."""
        if id(tensor) in self._names:
            self._act("a parameter has a hook", HOOK_FIX, r"^register_\w*hook")

    def hooked(self, tensors: Any) -> None:
        """Refuse a hook on gradients of the model."""
        if any(id(tensor) in self._names for tensor in tensors):
            self._act(
                "a hook is registered on gradients of the model",
                HOOK_FIX,
                r"^(register_multi_grad_hook|get_gradient_edge)$",
            )

    def module_hooked(self, module: nn.Module) -> None:
        """Refuse a hook on a module of the model, even one that is removed again."""
        if id(module) in self._modules:
            self._act("a module of the model has a hook", HOOK_FIX, r"^register_\w*hook")

    def module_set(self, module: nn.Module, name: str) -> None:
        """Refuse other contents of the model, even where they are undone. The loop sets the mode before it trains."""
        if id(module) in self._modules and (name != "training" or self._optimizer is not None):
            self._act(f"the code changes the model ({name})", MODEL_FIX, rf"^model\.{re.escape(name)} =$")

    def refused(self, refusal: RuntimeError, place: tuple[str, int]) -> None:
        """Keep that the submission asked for what only a training has, whether it catches the error or not."""
        if self.broken:
            return  # a consequence of what is said already
        self.broken = True
        rule, what, fix = explain(refusal)
        self._report.add(rule, *place, f"the code raised {what}{self._when()}", fix)

    def mode_set(self, module: nn.Module, training: bool) -> None:
        """Refuse evaluation during the training; the loop sets the mode before it."""
        if self._optimizer is not None and id(module) in self._modules and not training:
            self._act("the scheduler switches the model to evaluation", MODEL_FIX, r"^train$")

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """Refuse updates of the model beside the training loop's."""
        if any(id(p) in self._names for group in optimizer.param_groups for p in group["params"]):
            what = "the submission calls optimizer.step() itself: more updates than the training loop makes"
            self._act(what, STEP_FIX, r"^optimizer\.step\(\)$")
