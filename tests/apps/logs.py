"""An app that sets up `logging` at its import, and again inside a job."""

import logging
import logging.config
import sys
from typing import Any

from infinitas import Infinitas, current_job

logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="own %(name)s: %(message)s")
app = Infinitas()
log = logging.getLogger("shop")


def set_up() -> dict[str, Any]:
    return {
        "version": 1,
        "formatters": {"own": {"format": "new %(name)s: %(message)s"}},
        "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
        "root": {"handlers": ["own"], "level": "INFO"},
    }


@app.task
def migrate() -> None:
    log.info("before the set-up")
    logging.config.dictConfig(set_up())
    log.info("after the set-up")


@app.task
def charge(order: int) -> str | None:
    log.info("charging %d", order)
    print("paid", end="")
    found = current_job()
    return None if found is None else found.id


@app.task(capture_print=True, runner="process")
def charge_apart(order: int) -> None:
    log.info("charging %d apart", order)
    print("paid apart", end="")


@app.task
def explode() -> None:
    raise ValueError("out of stock")
