"""How the cost of one job grows with the number of jobs that wait, tasks, workers and log lines."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from environment import PREFIX, environment
from options import Arguments, Parser
from processes import rss_mb, tree, tree_cpu, wait
from systems.tables import OURS, System


def add_options(parser: Parser) -> None:
    """It has none."""


def run(args: Arguments) -> None:
    """Each over three decades; a cost that grows tenfold from line to line is linear in it."""
    print("| | | jobs/s | worker µs | Redis µs | bytes queued | worker MB | |\n" + "|---" * 8 + "|")
    _curve("jobs that wait", (1_000, 10_000, 100_000, 1_000_000), lambda n: _drain(OURS, n))
    _curve("tasks of a worker", (1, 10, 100, 1_000), lambda n: _drain(_with("TASKS", n), 10_000, "spread"))
    _curve("workers", (1, 10, 100), lambda n: _drain(replace(OURS, worker=f"{OURS.worker} -p {n}"), 20_000))
    _curve("log lines of a job", (1, 10, 100, 1_000), _drain_lines)


def _curve(name: str, sizes: Sequence[int], measure: Callable[[int], list[str]]) -> None:
    for size in sizes:
        print(f"| {name} | {size:,} | {' | '.join(measure(size))} |", flush=True)


def _with(name: str, value: int) -> System:
    return replace(OURS, settings={f"BENCH_{name}": str(value)})


def _drain_lines(lines: int) -> list[str]:
    return _drain(_with("LINES", lines), 2_000, "lines", lines)


def _drain(system: System, jobs: int, how: str = "bulk", lines: int = 0) -> list[str]:
    with environment() as on:
        before = on.memory()
        on.send(system, how, jobs)
        queued = (on.memory() - before) / jobs
        with on.running(system.worker, system) as process:
            wait(on.counters.runs, 120, 0.001)
            cpu, redis, done = tree_cpu(process.pid), on.redis_cpu(), on.counters.runs()
            wait(lambda: on.counters.runs() >= jobs, 600)
            wait(lambda: not any(map(on.redis.xlen, on.redis.scan_iter(f"{PREFIX}stream:*", 1000))), 60, 0.02)
            ran, first, last = on.counters.read()
            cpu, redis = tree_cpu(process.pid) - cpu, on.redis_cpu() - redis
            memory = max(rss_mb(pid) for pid in tree(process.pid))
    left = max(ran - done, 1)
    per_job = [f"{seconds / left * 1e6:,.0f}" for seconds in (cpu, redis)]
    per_line = f"{cpu / left / lines * 1e6:,.1f} µs of the worker for a line" if lines else ""
    return [f"{ran / max(last - first, 1e-9):,.0f}", *per_job, f"{queued:,.0f}", f"{memory:.0f}", per_line]
