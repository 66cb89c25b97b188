"""How soon a job begins: on a worker that has nothing else to do, and on one that is half busy."""

import json
import time
from statistics import median, quantiles

from ground import Ground, ground, tree_cpu, wait
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
    passes: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for n in range(rounds):
        for name in names:
            passes[name].append(_measure(RIVALS[name], jobs, aof))
            one = passes[name][-1]
            print(f"  round {n + 1}, {name}: p50 {one['p50']:.2f} ms, p99 {one['p99']:.2f} ms", flush=True)
    columns = list(passes["infinitas"][0])
    print(f"\n| | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for name, found in passes.items():
        cells = [f"{median(one[column] for one in found):,.2f}" for column in columns]
        print(f"| {name} | {' | '.join(cells)} |")
    if out:
        with open(out, "w") as file:
            json.dump(passes, file, indent=1)


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
