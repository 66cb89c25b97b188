"""Many cron jobs, with ours and each peer in turn: all due in the same minute, or none for hours."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from statistics import quantiles

from clock_rivals import CLOCKS
from ground import Ground, ground, tree, tree_cpu, wait
from passes import in_turn, print_medians
from rivals import Rival
from stand import rss_mb

READY_S = 20
"""How long processes may take until they are ready for the next full minute."""
PATIENCE_S = 55
EACH_MINUTE = "* * * * *"
HOURS_OFF = 8
"""Until the next slot, where none is to come."""


def burst_beside(names: list[str], count: int, rounds: int, aof: bool, out: str | None) -> None:
    """`count` cron jobs each minute: how late does each begin?"""
    title, tell = f"{count:,} due at once", ("begun", "p50 s", "p99 s")
    _compare(names, rounds, out, title, lambda rival: _burst(rival, count, aof), tell)


def idle_beside(names: list[str], count: int, idle_s: int, rounds: int, aof: bool, out: str | None) -> None:
    """`count` cron jobs that are not due: what do they cost?"""
    title, tell = f"{count:,} that wait", ("own % of a core", "own MB")
    _compare(names, rounds, out, title, lambda rival: _idle(rival, count, idle_s, aof), tell)


def _compare(
    names: list[str],
    rounds: int,
    out: str | None,
    title: str,
    measure: Callable[[Rival], dict[str, float]],
    tell: Sequence[str],
) -> None:
    names = ["infinitas", *(name for name in names if name != "infinitas")]
    for name in names:
        CLOCKS[name].install()
    passes = in_turn(names, rounds, lambda name: measure(CLOCKS[name]), tell)
    print_medians(title, passes, out)


@contextmanager
def _running(rival: Rival, count: int, cron: str, aof: bool) -> Iterator[tuple[Ground, list[int]]]:
    """Scheduler and worker of a rival that knows so many cron jobs; yields their process ids."""
    rival = replace(rival, settings={"BENCH_SCHEDULES": str(count), "BENCH_CRON": cron})
    with ground(rival, aof=aof) as on, ExitStack() as stack:
        if rival.before:
            with on.run(rival, rival.before) as process:
                if process.wait():
                    raise SystemExit(f"{rival.module}: {rival.before} failed: {process.returncode}")
        if cron == EACH_MINUTE and time.time() % 60 > 60 - READY_S:
            time.sleep(61 - time.time() % 60)
        lines = [line for line in (rival.scheduler, rival.worker) if line]
        processes = [stack.enter_context(on.run(rival, line)) for line in lines]
        yield on, [process.pid for process in processes]
        for line, process in zip(lines, processes, strict=True):
            if process.poll() is not None:
                raise SystemExit(f"{rival.module}: {line} has ended by itself: {process.returncode}")


def _burst(rival: Rival, count: int, aof: bool) -> dict[str, float]:
    with _running(rival, count, EACH_MINUTE, aof) as (on, pids):
        time.sleep(59.5 - time.time() % 60)
        known = len(on.marks.delays())
        before = sum(map(tree_cpu, pids)), on.server_cpu()
        over = time.monotonic() + PATIENCE_S
        wait(lambda: len(on.marks.delays()) >= known + count or time.monotonic() > over, 60, 0.02)
        spent = sum(map(tree_cpu, pids)) - before[0], on.server_cpu() - before[1]
        lags = on.marks.delays()[known : known + count]
    if len(lags) < 2:
        return {"begun": len(lags), "p50 s": 60, "p99 s": 60, "max s": 60, "own ms": 0, "server ms": 0}
    cuts = quantiles(lags, n=100, method="inclusive")
    return {
        "begun": len(lags),
        "p50 s": cuts[49],
        "p99 s": cuts[98],
        "max s": max(lags),
        "own ms": spent[0] / len(lags) * 1e6,
        "server ms": spent[1] / len(lags) * 1e6,
    }


def _idle(rival: Rival, count: int, idle_s: int, aof: bool) -> dict[str, float]:
    hour = (time.gmtime().tm_hour + HOURS_OFF) % 24
    with _running(rival, count, f"30 {hour} * * *", aof) as (on, pids):
        # Some take long to know all their jobs.
        seen, now = -1.0, 0.0
        while now - seen > 0.5:
            time.sleep(3)
            seen, now = now, sum(map(tree_cpu, pids))
        before = sum(map(tree_cpu, pids)), on.server_cpu()
        time.sleep(idle_s)
        spent = sum(map(tree_cpu, pids)) - before[0], on.server_cpu() - before[1]
        memory = sum(rss_mb(each) for pid in pids for each in tree(pid))
    return {
        "own % of a core": spent[0] / idle_s * 100,
        "server % of a core": spent[1] / idle_s * 100,
        "own MB": memory,
    }
