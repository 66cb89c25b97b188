"""`python -m tests.e2e.skewed SECONDS COMMAND …`: an `infinitas` process whose own clock is wrong."""

import sys
from datetime import UTC, datetime, timedelta

import time_machine

if __name__ == "__main__":
    wrong = datetime.now(UTC) + timedelta(seconds=float(sys.argv.pop(1)))
    with time_machine.travel(wrong, tick=True):
        from infinitas.cli.main import main

        main()
