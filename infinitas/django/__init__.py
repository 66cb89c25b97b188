"""Django: one app made of the settings, its tasks found by themselves; see docs/frameworks.md.

`INSTALLED_APPS` has `infinitas.django`; `from infinitas.django import app` is the app.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infinitas.app.app import Infinitas
    from infinitas.django.sending import send_on_commit

    app: Infinitas

__all__ = ["app", "send_on_commit"]


def __getattr__(name: str) -> object:
    """Made on first use (PEP 562): Django imports this package before its settings may be read."""
    if name == "app":
        from infinitas.django.project import project_app

        return project_app()
    if name == "send_on_commit":
        from infinitas.django.sending import send_on_commit

        return send_on_commit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
