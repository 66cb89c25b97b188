"""How soon a job begins: on a worker that has nothing else to do, and on one that is half busy."""

import time
from statistics import quantiles

from ground import Ground, ground, tree_cpu, wait
from passes import in_turn, print_medians
from rivals import RIVALS, Rival
from throughput import drain

PAUSE_S = 0.005
LOAD_PAUSE_S = 0.02
IDLE_S = 10.0


def latency(names: list[str], jobs: int, rounds: int, aof: bool, out: str | None) -> None:
    """`jobs` one after another, with ours and each peer in turn; then the same at half of their full rate."""
    names = ["infinitas", *(name for name in names if name != "infinitas")]
    for name in names:
        RIVALS[name].install()
    passes = in_turn(names, rounds, lambda name: _measure(RIVALS[name], jobs, aof), ("p50", "p99"))
    print_medians("ms", passes, out)


def _measure(rival: Rival, jobs: int, aof: bool) -> dict[str, float]:
    rate = drain(rival, 5_000, aof)["jobs/s"]
    with ground(rival, aof=aof) as on, on.worker(rival) as worker:
        on.send(rival, "single", 50)
        wait(lambda: on.marks.read()[0] >= 50, 60)
        time.sleep(1)
        cpu = tree_cpu(worker.pid)
        asked = on.watch(IDLE_S) / IDLE_S
        idle = (tree_cpu(worker.pid) - cpu) / IDLE_S * 100
        light = _delays(on, rival, jobs, PAUSE_S, 0)
        half = round(rate / 2 * LOAD_PAUSE_S)
        busy = _delays(on, rival, jobs, LOAD_PAUSE_S, half)[jobs:]
    return {
        **_spread(light, ""),
        "idle CPU %": idle,
        "idle commands/s": asked,
        "load/s": half / LOAD_PAUSE_S,
        **_spread(busy, " loaded"),
    }


def _delays(on: Ground, rival: Rival, jobs: int, pause_s: float, load: int) -> list[float]:
    known = len(on.marks.delays())
    on.send(rival, "paced", jobs, pause_s, load)
    wait(lambda: len(on.marks.delays()) >= known + jobs, 120, 0.05)
    return on.marks.delays()


def _spread(delays: list[float], what: str) -> dict[str, float]:
    cuts = quantiles(delays, n=100, method="inclusive")
    return {f"p50{what}": cuts[49] * 1e3, f"p99{what}": cuts[98] * 1e3, f"max{what}": max(delays) * 1e3}
