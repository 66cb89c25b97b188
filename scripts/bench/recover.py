"""A worker is killed with jobs in its hands: how soon does another one have them?"""

import time
from contextlib import nullcontext

from ground import ground, kill_tree, wait
from rivals import RIVALS, Rival

JOBS, RUNS_S = 4, 1.0
OTHERS = 3
"""No-op jobs: the one that is sent, and one by which each sender gets to know its server."""


def recover(names: list[str], rounds: int, patience_s: float) -> None:
    """kill -9 of ours, and of each peer's, with their default patience; another worker starts at once."""
    names = ["infinitas", *(name for name in names if name != "infinitas")]
    for name in names:
        RIVALS[name].install()
    print(f"| | seconds from the kill until {JOBS} jobs of {RUNS_S:g} s had been run |\n|---|---|")
    for name in names:
        found = [_kill_one(RIVALS[name], patience_s) for _ in range(rounds)]
        print(f"| {name} | {', '.join(found)} |", flush=True)


def _kill_one(rival: Rival, patience_s: float) -> str:
    with ground(rival) as on:
        ours = rival.module == "infinitas_peer"
        with on.run(rival, "infinitas scheduler") if ours else nullcontext():
            with on.worker(rival) as first:
                on.send(rival, "single", 1)
                on.send(rival, "hold", JOBS)
                # Some workers run fewer at once: one job at least is in its hands.
                wait(lambda: len(on.marks.delays()) > max(on.marks.read()[0] - OTHERS, 0), 30)
                kill_tree(first.pid)
            killed = time.monotonic()
            with on.worker(rival):
                while on.marks.read()[0] < OTHERS + JOBS:
                    if time.monotonic() - killed > patience_s:
                        return f"not within {patience_s:g}"
                    time.sleep(0.02)
            return f"{time.monotonic() - killed:.1f}"
