"""Where a task's code is: `module:qualname` of its function."""

import sys
from collections.abc import Callable
from pathlib import Path

from infinitas.core.task_definition import MAX_PLACE_CHARS

_MAIN = ("__main__", "__mp_main__")


def place_of(function: Callable[..., object]) -> str:
    """The place of a function; empty where there is none to compare with: a notebook, a prompt.

    A script that is run has the name that others import it by, as far as its file shows it.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module in _MAIN:
        module = _name_of_script(module)
    place = f"{module}:{name}"
    return place if module and name and len(place) <= MAX_PLACE_CHARS else ""


def _name_of_script(module: str) -> str:
    script = sys.modules.get(module)
    spec = getattr(script, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(script, "__file__", None)
    if not file:
        return ""
    path = Path(file)
    # A package that is run by its file is imported by the name of its folder.
    return path.absolute().parent.name if path.stem == "__init__" else path.stem
