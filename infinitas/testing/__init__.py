"""Testing kit: run a task inline, or a whole app on a real Redis with a clock that only the test moves.

With pytest, the fixture `infinitas_kit` starts the servers and makes kits; see docs/testing.md.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infinitas.testing.inline import Ran, run_inline
    from infinitas.testing.kit import Kit, KitMaker

__all__ = ["Kit", "KitMaker", "Ran", "run_inline"]


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562): pytest loads the plugin beside this file in every project."""
    if name in ("Ran", "run_inline"):
        from infinitas.testing import inline

        return getattr(inline, name)
    if name in ("Kit", "KitMaker"):
        from infinitas.testing import kit

        return getattr(kit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
