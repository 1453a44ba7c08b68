"""The distribution's extras: packages that most students do not need."""

from enum import StrEnum
from importlib.util import find_spec

from grader.core.errors import SetupError

#: What `pip` knows this package as. The name `grader` on the public index belongs to another project.
DISTRIBUTION = "lr-scheduler-grader"


class Extra(StrEnum):
    """An extra of the distribution, as `pyproject.toml` defines it."""

    TRAIN = "train"  # training on the public tasks: `grader compare`, `grader study`
    COURSE = "course"  # grading a class
    RAY = "ray"  # more than one machine


#: The modules that each extra brings. (sandlock is there on Linux only.)
_TRAIN = ("kornia", "matplotlib", "scipy")
_MODULES = {Extra.TRAIN: _TRAIN, Extra.COURSE: (*_TRAIN, "copydetect", "docker", "yaml"), Extra.RAY: ("ray", "fsspec")}


def wheel_name(version: str = "VERSION") -> str:
    """The file name of grader's wheel."""
    return f"{DISTRIBUTION.replace('-', '_')}-{version}-py3-none-any.whl"


def need(extra: Extra, *modules: str) -> None:
    """Raise SetupError if `modules`, or else all that `extra` brings, are not installed."""
    missing = [name for name in modules or _MODULES[extra] if find_spec(name) is None]
    if missing:
        raise SetupError(f"this command needs {', '.join(missing)}: {how_to_install(extra)}")


def how_to_install(extra: Extra) -> str:
    """What to do to get an extra. No address is named: where grader comes from is the course's choice."""
    return (
        f"install grader again from where you have it, with the extra [{extra}], such as "
        f'pip install "./{wheel_name()}[{extra}]" '
        f'or pip install ".[{extra}]" in a checkout'
    )
