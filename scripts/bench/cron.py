"""Cron jobs of each system in turn: the options of `burst` and `schedules`, and the processes that run."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from environment import Environment, environment
from options import Arguments, Parser, add_rounds, add_systems, chosen, refuse, whole
from rounds import Figures, in_turn, report
from systems.tables import CRON_SYSTEMS, System

BESIDE = 1_000
"""Cron jobs, where other systems run as well."""
READY_S = 20
"""Processes may take that long to start before the next full minute."""
EACH_MINUTE = "* * * * *"


def add_options(parser: Parser, counts: list[int]) -> None:
    """For what is measured alone in several sizes, or beside other systems in one."""
    listed = ", ".join(f"{count:,}" for count in counts)
    text = f"Number of schedules. Ours alone: {listed}; beside other systems: {BESIDE:,}."
    parser.add_argument("counts", nargs="*", type=whole, help=text)
    parser.set_defaults(alone=counts)
    add_systems(parser, CRON_SYSTEMS, "Systems to measure beside ours, each with a worker.")
    add_rounds(parser, None)


def run_each(
    args: Arguments,
    alone: Callable[[int], None],
    title: str,
    measure: Callable[[int, str, System], Figures],
    shown: Mapping[str, str],
) -> None:
    """`alone` for each count, or `measure` with each system in turn."""
    if args.system:
        with chosen(args.system, CRON_SYSTEMS) as systems:
            for count in args.counts or [BESIDE]:
                found = in_turn(systems, args.rounds or 1, partial(measure, count), shown)
                report(f"{count:,} {title}", found, args.out)
    elif args.rounds or args.aof or args.out:
        refuse("--rounds, --aof and --out go with --system")
    else:
        for count in args.counts or args.alone:
            alone(count)


@contextmanager
def running(system: System, count: int, cron: str, aof: bool) -> Iterator[tuple[Environment, list[int]]]:
    """Scheduler and worker of a system with `count` cron jobs; yields their process ids."""
    system = replace(system, settings={"BENCH_SCHEDULES": str(count), "BENCH_CRON": cron})
    with environment(system, aof=aof) as on, ExitStack() as stack:
        if system.before and on.start(system.before, system).wait():
            raise SystemExit(f"{system.module}: {system.before} failed.")
        if cron == EACH_MINUTE and time.time() % 60 > 60 - READY_S:
            time.sleep(61 - time.time() % 60)
        commands = [command for command in (system.scheduler, system.worker) if command]
        processes = [stack.enter_context(on.running(command, system)) for command in commands]
        yield on, [process.pid for process in processes]
        for command, process in zip(commands, processes, strict=True):
            if process.poll() is not None:
                raise SystemExit(f"{system.module}: {command} has ended by itself: {process.returncode}")
