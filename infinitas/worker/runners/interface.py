"""What the executor needs of a runner."""

from typing import Any, Protocol

from infinitas.core.verdict import Outcome
from infinitas.worker.attempt import Attempt

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""What a processor is called with: args and kwargs."""


class Runner(Protocol):
    """Runs the processor of an attempt, and stops it as far as possible."""

    async def run(self, attempt: Attempt, call: Call) -> Outcome:
        """Run the processor. Returns when its code has returned."""

    def stop(self, attempt: Attempt) -> None:
        """Stop the code soon, if it has begun and not returned."""

    def ran_s(self, attempt: Attempt) -> float:
        """How many seconds the processor had run when this process took over the attempt."""
