"""Testing kit: run a task inline, or a whole app on a real Redis with a clock that only the test moves.

With pytest, the fixture `infinitas_kit` starts the servers and makes kits; see docs/testing.md.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infinitas.testing.inline_app import InlineJobs, inline
    from infinitas.testing.inline_attempt import Ran, run_inline, run_inline_sync
    from infinitas.testing.kit import Kit, KitMaker

__all__ = ["InlineJobs", "Kit", "KitMaker", "Ran", "inline", "run_inline", "run_inline_sync"]


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562): pytest loads the plugin beside this file in every project."""
    if name in ("Ran", "run_inline", "run_inline_sync"):
        from infinitas.testing import inline_attempt

        return getattr(inline_attempt, name)
    if name in ("InlineJobs", "inline"):
        from infinitas.testing import inline_app

        return getattr(inline_app, name)
    if name in ("Kit", "KitMaker"):
        from infinitas.testing import kit

        return getattr(kit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
