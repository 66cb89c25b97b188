"""Finds the modules of a project that have tasks, by name."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from infinitas.core.errors import ConfigError

TASKS = "tasks"
"""What modules with tasks are called where an app names none."""


def import_modules(names: Iterable[str]) -> list[str]:
    """Import modules by their names, or by globs of names. Returns the names.

    Raises:
        ConfigError: a glob has no module.
        ImportError, or what a module raises.
    """
    found: list[str] = []
    for name in names:
        matching = list(_matching(name)) if "*" in name else [name]
        if not matching:
            raise ConfigError(f"include has {name!r}, and no module has such a name.")
        found += [each for each in matching if each not in found]
    for each in found:
        importlib.import_module(each)
    return found


def modules_called(package: str, name: str) -> list[str]:
    """Names of the modules and packages within `package` that are called so."""
    return [each for each in _within(package) if each.rpartition(".")[2] == name]


def _matching(glob: str) -> Iterator[str]:
    root = glob.partition(".")[0]
    if "*" in root:
        raise ConfigError(f"include has {glob!r}: its first part names a package, without *.")
    return (each for each in (root, *_within(root)) if fnmatchcase(each, glob))


def _within(package: str) -> list[str]:
    """Imports the packages within it, and no other modules. A module has none within it."""
    paths = getattr(importlib.import_module(package), "__path__", None)
    if paths is None:
        return []
    return sorted(each.name for each in pkgutil.walk_packages(paths, f"{package}.", onerror=_raise))


def _raise(name: str) -> None:
    # walk_packages calls this in the handler of an exception, which it would swallow.
    raise
