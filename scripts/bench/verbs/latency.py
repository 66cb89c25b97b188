"""From send to start, on an idle and a half-busy worker; what an idle one costs; beside other systems."""

import time

from environment import Environment, environment
from options import Arguments, Parser, add_against, add_rounds, add_systems, chosen, whole
from processes import tree_cpu, wait
from rounds import Figures, in_turn, percentiles, report
from systems.tables import SYSTEMS, System
from verbs.throughput import drain

PAUSE_S = 0.005
LOAD_PAUSE_S = 0.02
IDLE_S = 10.0


def add_options(parser: Parser) -> None:
    add_systems(parser, SYSTEMS)
    add_against(parser)
    add_rounds(parser)
    parser.add_argument("--jobs", type=whole, default=500)


def run(args: Arguments) -> None:
    """`jobs` one after another, with each system in turn; then the same at half of its full rate."""
    with chosen(args.system, SYSTEMS, args.against) as systems:
        found = in_turn(
            systems,
            args.rounds,
            lambda _, system: _measure(system, args.jobs, args.aof),
            {"p50": "p50 {:,.2f}", "p99": "p99 {:,.2f}"},
        )
    report("ms", found, args.out, against=args.against)


def _measure(system: System, jobs: int, aof: bool) -> Figures:
    rate = drain(system, 5_000, aof)["jobs/s"]
    with environment(system, aof=aof) as on, on.running(system.worker, system) as worker:
        on.send(system, "single", 50)
        wait(lambda: on.counters.runs() >= 50, 60)
        time.sleep(1)
        cpu = tree_cpu(worker.pid)
        commands = on.count_commands(IDLE_S) / IDLE_S
        idle = (tree_cpu(worker.pid) - cpu) / IDLE_S * 100
        light = _delays(on, system, jobs, PAUSE_S, 0)
        half = round(rate / 2 * LOAD_PAUSE_S)
        busy = _delays(on, system, jobs, LOAD_PAUSE_S, half)[jobs:]
    return {
        **_spread(light, ""),
        "idle CPU %": idle,
        "idle commands/s": commands,
        "load/s": half / LOAD_PAUSE_S,
        **_spread(busy, " loaded"),
    }


def _delays(on: Environment, system: System, jobs: int, pause_s: float, load: int) -> list[float]:
    known = len(on.counters.delays())
    on.send(system, "paced", jobs, pause_s, load)
    wait(lambda: len(on.counters.delays()) >= known + jobs, 120, 0.05)
    return on.counters.delays()


def _spread(delays: list[float], suffix: str) -> Figures:
    names = (f"p50{suffix}", f"p99{suffix}", f"max{suffix}")
    return {name: value * 1e3 for name, value in zip(names, percentiles(delays), strict=True)}
