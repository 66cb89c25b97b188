"""After each test on Redis: nothing is left without a bound."""

from tests.broker.leaks import nothing_is_left

__all__ = ["nothing_is_left"]
