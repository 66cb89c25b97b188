"""Send and drain no-op jobs: rate, CPU, commands and bytes of a job, memory; beside other systems."""

import time
from collections.abc import Callable

import floor
from environment import PREFIX, Environment, environment
from options import Arguments, Parser, add_against, add_rounds, add_systems, chosen, whole
from processes import rss_mb, tree_cpu, wait
from rounds import Figures, in_turn, report
from systems.tables import OURS, SYSTEMS, System

FORMATS = {
    "jobs/s": "{:,.0f}",
    "worker ms": "{:.0f}",
    "server ms": "{:.0f}",
    "commands": "{:.1f}",
    "bytes sent": "{:,.0f}",
    "bytes queued": "{:,.0f}",
    "bytes finished": "{:,.0f}",
    "RSS MB": "{:.0f}",
    "first job s": "{:.2f}",
    "single/s": "{:,.0f}",
    "bulk/s": "{:,.0f}",
}
"""Milliseconds of CPU are for 1,000 jobs; commands and bytes for one."""
TABLE = {**SYSTEMS, "floor": OURS}


def add_options(parser: Parser) -> None:
    add_systems(parser, TABLE)
    add_against(parser)
    add_rounds(parser)
    parser.add_argument("--jobs", type=whole, default=20_000)


def run(args: Arguments) -> None:
    """Drain `jobs` with each system in turn; print medians, spread and ratios to ours."""

    def measure(name: str, system: System) -> Figures:
        return floor.measure(args.jobs, args.aof) if name == "floor" else drain(system, args.jobs, args.aof)

    with chosen(args.system, TABLE, args.against) as systems:
        found = in_turn(systems, args.rounds, measure, {"jobs/s": "{:,.0f} jobs/s"})
    report("", found, args.out, against=args.against, formats=FORMATS, rate="jobs/s")


def drain(system: System, jobs: int, aof: bool) -> Figures:
    """Send, then start a worker, and measure from its first job to its last."""
    count = round(jobs * system.share)
    with environment(system, aof=aof) as on:
        singles, empty = min(count, 2_000), on.memory()
        single = on.send(system, "single", singles)
        before = on.memory()
        sent = on.send(system, system.bulk, count)
        queued = (on.memory() - before) / count
        total = count + singles
        started = time.monotonic()
        with on.running(system.worker, system) as worker:
            wait(on.counters.runs, 60, 0.001)
            cpu, server, traffic = tree_cpu(worker.pid), on.server_cpu(), on.traffic()
            done = on.counters.runs()
            wait(lambda: on.counters.runs() >= total, 600)
            wait(_is_quiet(on), 10, 0.02)
            ran, first, last = on.counters.read()
            cpu, server = tree_cpu(worker.pid) - cpu, on.server_cpu() - server
            commands, size = (after - b for after, b in zip(on.traffic(), traffic, strict=True))
            memory = rss_mb(worker.pid)
        # An archiver would have trimmed what it has recorded.
        on.redis.xtrim(f"{PREFIX}events", maxlen=0, approximate=False)
        finished = (on.memory() - empty) / total
    left = ran - done
    if not left:
        raise SystemExit(f"All {ran:,} jobs were over before the first reading: use more --jobs.")
    return {
        "jobs/s": ran / (last - first),
        "worker ms": cpu / left * 1e6,
        "server ms": server / left * 1e6,
        "commands": commands / left,
        "bytes sent": size / left,
        "bytes queued": queued,
        "bytes finished": finished,
        "RSS MB": memory,
        "first job s": first - started,
        "single/s": singles / single["seconds"],
        "bulk/s": count / sent["seconds"],
    }


def _is_quiet(on: Environment) -> Callable[[], bool]:
    """Whether the server used no CPU since the last call: settling after the last run is part of the cost."""
    last = 0.0

    def quiet() -> bool:
        nonlocal last
        before, last = last, on.server_cpu()
        return before == last

    return quiet
