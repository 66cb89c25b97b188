"""Joins the ES modules of the page into one script: one request in place of seventy that wait for each other.

Each module becomes a function that is called once, after those it imports, and returns what it exports.
It takes the forms of import and export that the page uses. Another form is an error when the server starts.
"""

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath
from typing import Final

_IMPORT: Final = re.compile(r'^import (?:\{([^}]*)\} from )?"(\.[^"]+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_OTHER: Final = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


class ModuleError(Exception):
    """A module that can't be joined: a form that is not known, a missing file, or imports in a circle."""


def join_modules(modules: Mapping[str, str], entry: str) -> str:
    """One script that does what the module `entry` and all that it imports do.

    Args:
        modules: source texts by path.
        entry: the path of the first one.

    Raises:
        ModuleError: a module has another form of import or export, or imports itself through others.
    """
    joined: dict[str, str] = {}
    _add(modules, entry, joined, ())
    return "".join(joined.values())


def _add(modules: Mapping[str, str], path: str, joined: dict[str, str], open_: tuple[str, ...]) -> None:
    if path in joined:
        return
    if path in open_:
        raise ModuleError(f"{' → '.join((*open_, path))} import each other.")
    if path not in modules:
        raise ModuleError(f"{open_[-1] if open_ else 'The page'} imports {path}, which does not exist.")
    text = modules[path]
    folder = dirname(path)
    for found in _IMPORT.finditer(text):
        _add(modules, normpath(join(folder, found[2])), joined, (*open_, path))
    joined[path] = _as_function(text, path, folder)


def _as_function(text: str, path: str, folder: str) -> str:
    names = ", ".join(_EXPORT.findall(text))
    body = _EXPORT.sub("", _IMPORT.sub(lambda found: _as_constant(found, folder), text))
    if other := _OTHER.search(body):
        raise ModuleError(f"{path}: {other[0]!r} has a form of import or export that the page does not use.")
    return f"const {_name(path)} = (() => {{\n{body}return {{ {names} }};\n}})();\n"


def _as_constant(found: re.Match[str], folder: str) -> str:
    if found[1] is None:
        return ""
    names = found[1].replace(" as ", ": ")
    return f"const {{{names}}} = {_name(normpath(join(folder, found[2])))};\n"


def _name(path: str) -> str:
    """A name that only this module has: no two characters of paths become the same."""
    return "module_" + re.sub(r"\W|_", lambda found: f"_{ord(found[0]):x}_", path)
