"""`python -m tests.apps.forks`: forks an `infinitas` process for each line of its input, and prints its pid.

A line is JSON: the arguments, and how many seconds its own clock is wrong. Everything is imported before
the fork, so that such a process runs within milliseconds, and can be killed many times in a short test.
"""

import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

import time_machine

import infinitas.cli.processes
import infinitas.scheduler.scheduler  # noqa: F401 - imported before the fork
from infinitas.cli.main import main


def run(arguments: list[str], skew_s: float) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.argv = ["infinitas", *arguments]
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=skew_s), tick=True):
        main()


if __name__ == "__main__":
    # What ends leaves no zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        arguments, skew_s = json.loads(line)
        pid = os.fork()
        if not pid:
            run(arguments, skew_s)
        print(pid, flush=True)
