"""Testing kit: run a task inline, or a whole app on a real Redis with a clock that only you move.

With pytest, the fixture `infinitas_kit` starts the servers and makes kits; see docs/testing.md.
"""

from infinitas.testing.inline import Ran, run_inline
from infinitas.testing.kit import Kit, KitMaker

__all__ = ["Kit", "KitMaker", "Ran", "run_inline"]
