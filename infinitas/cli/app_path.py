"""The app that a command names: `module:object`, `module:function()`, a package, or a file."""

import importlib
import os
import sys
import traceback
from pathlib import Path

from infinitas.app.app import Infinitas
from infinitas.app.modules import TASKS, import_modules, modules_called
from infinitas.core.errors import BadApp, ConfigError, InfinitasError

_MACHINERY = ("<frozen importlib", importlib.__file__, __file__)
"""Files whose lines in a traceback help no user."""
_HOMES = ("", ".app", f".{TASKS}")
"""Modules of a package that may have its app."""
_OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


def load_app(path: str | None) -> Infinitas:
    """The app at `path`, with its tasks; the current directory is importable.

    A package stands for the object `app` in it, in its module `app` or in its module `tasks`; its modules
    that are called `tasks` are imported, unless the app has `include`.

    Raises:
        BadApp: the module can't be imported, or has no such Infinitas object. The text has the lines of the
            user's code that led to it.
    """
    if not path:
        example = "`infinitas worker workers.demo:app`"
        raise BadApp(
            f"Which app? Name it as module:object, e.g. {example}, or set INFINITAS_APP, or app = in "
            "infinitas.toml."
        )
    module_name, colon, name = path.partition(":")
    if "/" in module_name or "\\" in module_name or module_name.endswith(".py"):
        module_name = _module_of_file(module_name)
    if not module_name or module_name.startswith("."):
        raise BadApp(f"{path!r} is not module:object, e.g. workers.demo:app.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = _import(module_name, name) if colon and name else _in_package(module_name)
        if not isinstance(found, Infinitas):
            hint = f" If it makes the app, name it {path}()." if callable(found) else ""
            raise BadApp(f"{path!r} is not an Infinitas app but {type(found).__name__}.{hint}")
        import_modules(found.included or (() if colon else modules_called(module_name, TASKS)))
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise BadApp(f"{path!r} can't be imported:\n{_of_user(error)}") from None
        raise BadApp(f"{path!r} can't be imported from {os.getcwd()}: {error}.") from None
    except ConfigError as error:
        raise BadApp(f"{path!r}: {error}") from None
    except BadApp:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the user's module raises
        raise BadApp(f"{path!r} can't be imported:\n{_of_user(error)}") from None
    return found


def _import(module: str, name: str) -> object:
    found: object = importlib.import_module(module)
    makes = name.endswith("()")
    for part in name.removesuffix("()").split("."):
        if not hasattr(found, part):
            raise BadApp(f"{module}:{name} is no Infinitas app: there is no {part!r} in {module}.")
        found = getattr(found, part)
    return found() if makes and callable(found) else found


def _in_package(package: str) -> object:
    """The app of a package, or of a module that has one."""
    importlib.import_module(package)
    for home in _HOMES:
        try:
            module = importlib.import_module(package + home)
        except ModuleNotFoundError as error:
            if error.name == package + home or not hasattr(sys.modules[package], "__path__"):
                continue
            raise
        if isinstance(found := getattr(module, "app", None), Infinitas):
            return found
    homes = " or ".join(package + home for home in _HOMES)
    raise BadApp(f"There is no app in {package}: neither {homes} has an Infinitas object `app`.")


def _module_of_file(text: str) -> str:
    """The name of a module by its file, whose folder, or that of its outermost package, becomes importable.

    Raises BadApp: there is no such file.
    """
    file = Path(text.replace("\\", "/"))
    for path in (file, file.with_name(f"{file.name}.py")):
        if path.is_file() or (path / "__init__.py").is_file():
            break
    else:
        raise BadApp(f"{text!r} looks like a file, and there is none in {os.getcwd()}.")
    path = path.resolve()
    parts, folder = [path.stem] if path.stem != "__init__" else [], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return ".".join(parts)


def _of_user(error: BaseException) -> str:
    """The traceback of an error, without the lines of the import itself, nor ours where we refuse."""
    unwanted = (*_MACHINERY, _OURS) if isinstance(error, InfinitasError) else _MACHINERY
    frames = [
        each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(unwanted)
    ]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "".join(lines).rstrip()
