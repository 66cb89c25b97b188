"""The app that a command names: `module:object`, or `module:function()` for one that makes it."""

import importlib
import os
import re
import sys
import traceback

from infinitas.app.app import Infinitas
from infinitas.core.errors import BadApp, InfinitasError

_LIKE_A_FILE = re.compile(r"[/\\]|\.py$")
_MACHINERY = ("<frozen importlib", importlib.__file__, __file__)
"""Files whose lines in a traceback help no user."""
_OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


def load_app(path: str | None) -> Infinitas:
    """The app at `module:object`; the current directory is importable.

    Raises:
        BadApp: the module can't be imported, or has no such Infinitas object. The text has the lines of the
            user's code that led to it.
    """
    if not path:
        example = "`infinitas worker workers.demo:app`"
        raise BadApp(f"Which app? Name it as module:object, e.g. {example}, or set INFINITAS_APP.")
    module_name, _, name = path.partition(":")
    if _LIKE_A_FILE.search(module_name):
        raise BadApp(f"{path!r} is the path of a file. {_command_for_file(module_name, name or 'app')}.")
    if not module_name or module_name.startswith("."):
        raise BadApp(f"{path!r} is not module:object, e.g. workers.demo:app.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        app = _import(module_name, name or "app")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise BadApp(f"{path!r} can't be imported:\n{_of_user(error)}") from None
        raise BadApp(f"{path!r} can't be imported from {os.getcwd()}: {error}.") from None
    except BadApp:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the user's module raises
        raise BadApp(f"{path!r} can't be imported:\n{_of_user(error)}") from None
    if not isinstance(app, Infinitas):
        hint = f" If it makes the app, name it {path}()." if callable(app) else ""
        raise BadApp(f"{path!r} is not an Infinitas app but {type(app).__name__}.{hint}")
    return app


def _import(module: str, name: str) -> object:
    found: object = importlib.import_module(module)
    makes = name.endswith("()")
    for part in name.removesuffix("()").split("."):
        if not hasattr(found, part):
            raise BadApp(f"{module}:{name} is no Infinitas app: there is no {part!r} in {module}.")
        found = getattr(found, part)
    return found() if makes and callable(found) else found


def _of_user(error: BaseException) -> str:
    """The traceback of an error, without the lines of the import itself, nor ours where we refuse."""
    unwanted = (*_MACHINERY, _OURS) if isinstance(error, InfinitasError) else _MACHINERY
    frames = [
        each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(unwanted)
    ]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "".join(lines).rstrip()


def _command_for_file(file: str, name: str) -> str:
    """What to write in place of the path of a module's file."""
    folder, slash, module = file.replace("\\", "/").removesuffix(".py").rpartition("/")
    go = f"go to its folder, `cd {folder or slash}`, then " if slash else ""
    return f"To use it, {go}name it {module}:{name}"
