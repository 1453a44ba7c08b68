"""The table of what optimizers read from their groups is torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from grader.core.optimizer_settings import SETTINGS, complaint
from grader.core.recipe import Optimizer
from grader.sandbox.inside import optimizer as inside


@pytest.mark.parametrize("name", list(Optimizer))
def test_every_setting_of_torch_is_there_with_its_kind(name: Optimizer) -> None:
    made: Any = getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(2, 2))], lr=0.1)
    assert {"lr", *SETTINGS[name]} == set(inside.hyperparameters(made))
    defaults = inside.defaults(made)
    for setting in SETTINGS[name]:
        value = inside.setting(made.param_groups[0].get(setting, defaults[setting]), defaults[setting])
        value = tuple(value) if isinstance(value, list) else value
        assert complaint(name, setting, value) is None
        wrong: Any = ("x",) if isinstance(value, (float, bool)) else 0.5
        assert complaint(name, setting, wrong) is not None
