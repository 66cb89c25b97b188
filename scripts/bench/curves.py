"""How the cost of one job grows with what there is: jobs that wait, tasks, workers, log lines."""

from collections.abc import Callable, Iterator, Sequence

from ground import Ground, ground, tree, tree_cpu, wait
from rivals import RIVALS, Rival
from stand import rss_mb

OURS = RIVALS["infinitas"]
WORKER = "infinitas worker infinitas_peer:app -c 100 -l error"


def curves() -> None:
    """Each over three decades; a cost that grows tenfold from line to line is linear in it."""
    print("| | | jobs/s | worker µs | Redis µs | bytes queued | worker MB | |\n" + "|---" * 8 + "|")
    _curve("jobs that wait", (1_000, 10_000, 100_000, 1_000_000), lambda n: _drain(OURS, n, n))
    _curve("tasks of a worker", (1, 10, 100, 1_000), lambda n: _drain(_with("TASKS", n), 10_000, n, "spread"))
    _curve("workers", (1, 10, 100), lambda n: _drain(OURS, 20_000, n, worker=f"{WORKER} -p {n}"))
    _curve("log lines of a job", (1, 10, 100, 1_000), lambda n: _drain(_with("LINES", n), 2_000, n, "lines"))


def _curve(name: str, sizes: Sequence[int], measure: Callable[[int], list[str]]) -> None:
    for size in sizes:
        print(f"| {name} | {size:,} | {' | '.join(measure(size))} |", flush=True)


def _with(name: str, value: int) -> Rival:
    return Rival(module=OURS.module, worker=OURS.worker, settings={f"BENCH_{name}": str(value)})


def _drain(rival: Rival, jobs: int, size: int, how: str = "bulk", worker: str = WORKER) -> list[str]:
    with ground(rival) as on:
        before = on.memory()
        on.send(rival, how, jobs)
        queued = (on.memory() - before) / jobs
        with on.run(rival, worker) as process:
            wait(lambda: on.marks.read()[0], 120, 0.001)
            cpu, redis, done = tree_cpu(process.pid), on.redis_cpu(), on.marks.read()[0]
            wait(lambda: on.marks.read()[0] >= jobs, 600)
            wait(_settled(on), 60, 0.02)
            ran, first, last = on.marks.read()
            spent = (tree_cpu(process.pid) - cpu, on.redis_cpu() - redis)
            memory = max(rss_mb(pid) for pid in tree(process.pid))
    left = max(ran - done, 1)
    per_job = [f"{seconds / left * 1e6:,.0f}" for seconds in spent]
    per_line = f"{spent[0] / left / size * 1e6:,.1f} µs of the worker for a line" if how == "lines" else ""
    return [f"{ran / max(last - first, 1e-9):,.0f}", *per_job, f"{queued:,.0f}", f"{memory:.0f}", per_line]


def _settled(on: Ground) -> Callable[[], bool]:
    def look() -> bool:
        return not any(on.redis.xlen(key) for key in _streams(on))

    return look


def _streams(on: Ground) -> Iterator[str]:
    yield from on.redis.scan_iter("{infinitas:default}:stream:*", count=1000)
