"""Logging of our own processes: one line an entry, to stderr."""

import logging
import sys


def get_logger(part: str) -> logging.Logger:
    """The logger of one part of Infinitas, e.g. `infinitas.worker`."""
    return logging.getLogger(f"infinitas.{part}")


def set_up_logging(level: str) -> None:
    """Set up logging of a command-line process; a program that embeds Infinitas keeps its own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith("infinitas"))
    root = logging.getLogger()
    root.addHandler(handler)
    # A processor's log lines are stored with its job from INFO on; the terminal shows only its warnings.
    root.setLevel(logging.INFO)
    logging.getLogger("infinitas").setLevel(level.upper())
