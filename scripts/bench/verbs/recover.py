"""From the kill -9 of a worker until its jobs have run on another one; beside other systems."""

import time

from environment import environment
from options import Arguments, Parser, add_systems, chosen, whole
from processes import kill_tree, wait
from systems.tables import INFINITAS, SYSTEMS, System

JOBS, RUNS_S = 4, 1.0
OTHERS = 3
"""No-op jobs: the one that is sent, and the first of each of two senders, which opens its connection."""


def add_options(parser: Parser) -> None:
    add_systems(parser, SYSTEMS)
    parser.add_argument("--rounds", type=whole, default=3, help="Number of kills of each system.")
    parser.add_argument("--patience", type=float, default=60, help="Seconds to wait for each.")


def run(args: Arguments) -> None:
    """Kill a worker of each system, with its default time-outs; another worker starts at once."""
    with chosen(args.system, SYSTEMS) as systems:
        for system in systems.values():
            system.install()
        print(f"| | seconds from the kill until {JOBS} jobs of {RUNS_S:g} s had been run |\n|---|---|")
        for name, system in systems.items():
            found = [_kill_one(system, args.patience) for _ in range(args.rounds)]
            print(f"| {name} | {', '.join(found)} |", flush=True)


def _kill_one(system: System, patience_s: float) -> str:
    with environment(system) as on:
        if system.ours:
            on.start(f"{INFINITAS} scheduler")
        with on.running(system.worker, system) as first:
            on.send(system, "single", 1)
            sender = on.start_sending(system, "hold", JOBS)
            # It prints a line once all are sent; until it has ended, the jobs might have ended too.
            assert sender.stdout is not None
            sender.stdout.readline()
            # Some workers run fewer at once; at least one of these jobs runs now.
            wait(lambda: len(on.counters.delays()) > max(on.counters.runs() - OTHERS, 0), 30)
            kill_tree(first.pid)
        killed = time.monotonic()
        sender.communicate()
        with on.running(system.worker, system):
            while on.counters.runs() < OTHERS + JOBS:
                if time.monotonic() - killed > patience_s:
                    return f"not within {patience_s:g}"
                time.sleep(0.02)
        return f"{time.monotonic() - killed:.1f}"
