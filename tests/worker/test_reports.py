"""What attempts add to their unsent reports, from any thread and at any moment of it."""

import threading
from collections.abc import Callable

from infinitas.tasks.printed_lines import PrintedLines
from infinitas.worker.reports import Reports
from infinitas.worker.unsent import Line, Unsent


class Late(str):
    """Text that a finalizer or a signal handler interrupts."""

    interrupt = staticmethod(lambda: None)

    def __add__(self, other: str) -> str:
        self.interrupt()
        return str(self) + other

    def __radd__(self, other: str) -> str:
        self.interrupt()
        return other + str(self)


def in_time(work: Callable[[], object]) -> bool:
    """Whether `work` comes to its end: a thread that waits for itself would never."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


def test_a_line_may_be_logged_in_the_middle_of_a_line() -> None:
    reports = Reports("w", {}, 60, lambda: None)
    kept: list[Unsent] = []

    def inner(unsent: Unsent) -> None:
        unsent.add_line(Line(1, 0, "info", "inner"))

    def outer(unsent: Unsent) -> None:
        reports.add("default", "j", 1, inner)
        unsent.add_line(Line(0, 0, "info", "outer"))
        kept.append(unsent)

    assert in_time(lambda: reports.add("default", "j", 1, outer))
    assert [line.text for line in kept[0].lines] == ["inner", "outer"]


def test_a_print_may_come_in_the_middle_of_a_print() -> None:
    lines: list[str] = []
    prints = PrintedLines(lambda _, text: lines.append(text))
    text = Late("outer\n")
    text.interrupt = lambda: prints.write("inner\n")
    assert in_time(lambda: prints.write(text))
    assert lines == ["inner", "outer"]
