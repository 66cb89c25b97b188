"""Benchmarks of the product, each on a Redis of its own: `.venv/bin/python scripts/bench burst`."""

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from archive import ARCHIVES, archive
from burst import burst
from clock_rivals import CLOCKS
from clocks import burst_beside, idle_beside
from curves import curves
from latency import latency
from looking import looking
from recover import recover
from rivals import RIVALS
from schedules import schedules
from sockets import sockets
from stand import print_machine
from sustained import sustained
from takeover import takeover
from throughput import throughput

Run = Callable[[argparse.Namespace], None]
PEERS_AT_ONCE = 1_000
"""Cron jobs, where peers run as well."""


def whole(text: str) -> int:
    """An option that must be a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def rounds_options(verb: argparse.ArgumentParser, rounds: int | None = 3) -> None:
    verb.add_argument("--rounds", type=whole, default=rounds, help="Each of them in turn, so many times.")
    verb.add_argument("--aof", action="store_true", help="Redis keeps an append-only file.")
    verb.add_argument("--out", help="A file for the figures of each round, as JSON.")


def peers_option(verb: argparse.ArgumentParser, known: Iterable[str], text: str = "Beside ours.") -> None:
    names = list(known)
    text = f"{text} Of: {', '.join(names)}."
    verb.add_argument("--peer", nargs="*", default=[], choices=names, metavar="NAME", help=text)


def clock_options(verb: argparse.ArgumentParser, counts: list[int]) -> None:
    """For what is measured alone in several sizes, or beside peers in one."""
    listed = ", ".join(f"{count:,}" for count in counts)
    text = f"Alone: {listed}; beside peers {PEERS_AT_ONCE:,}."
    verb.add_argument("counts", nargs="*", type=whole, help=text)
    verb.set_defaults(alone=counts)
    peers_option(verb, CLOCKS, "Beside ours, each with a worker.")
    rounds_options(verb, None)


def run_clocks(args: argparse.Namespace, alone: Callable[[int], None], beside: Run) -> None:
    if args.peer:
        args.counts, args.rounds = args.counts or [PEERS_AT_ONCE], args.rounds or 1
        beside(args)
    elif args.rounds or args.aof or args.out:
        refuse("--rounds, --aof and --out go with --peer")
    else:
        for count in args.counts or args.alone:
            alone(count)


def refuse(what: str) -> NoReturn:
    print(what, file=sys.stderr)
    raise SystemExit(2)


def run_burst(args: argparse.Namespace) -> None:
    if args.peer and args.schedulers > 1:
        refuse("--schedulers does not go with --peer: each has one")

    def beside(args: argparse.Namespace) -> None:
        for count in args.counts:
            burst_beside(args.peer, count, args.rounds, args.aof, args.out)

    run_clocks(args, lambda count: burst(count, args.schedulers), beside)


def run_schedules(args: argparse.Namespace) -> None:
    def beside(args: argparse.Namespace) -> None:
        for count in args.counts:
            idle_beside(args.peer, count, args.idle, args.rounds, args.aof, args.out)

    run_clocks(args, lambda count: schedules(count, args.idle), beside)


def add_clocks(add: Callable[..., argparse.ArgumentParser]) -> None:
    verb = add("burst", run_burst, "many schedules due in the same second")
    clock_options(verb, [10_000, 100_000])
    verb.add_argument("--schedulers", type=whole, default=1)
    verb = add("schedules", run_schedules, "many schedules that wait: memory, idle CPU")
    clock_options(verb, [10_000, 100_000, 1_000_000])
    verb.add_argument("--idle", type=whole, default=30, help="seconds to watch")
    verb = add("sustained", lambda a: sustained(a.rate, a.seconds, a.worker), "many slots every second")
    verb.add_argument("--rate", type=whole, default=1000, help="slots a second")
    verb.add_argument("--seconds", type=whole, default=120)
    verb.add_argument("--worker", action="store_true", help="run the jobs as well")
    verb = add("takeover", lambda a: takeover(a.kills), "kill -9 of one of two schedulers")
    verb.add_argument("--kills", type=whole, default=50)


def add_jobs(add: Callable[..., argparse.ArgumentParser]) -> None:
    def run_throughput(a: argparse.Namespace) -> None:
        throughput(a.peer, a.jobs, a.rounds, a.aof, a.out)

    verb = add("throughput", run_throughput, "drain and enqueue no-op jobs, beside peers")
    peers_option(verb, [*RIVALS, "floor"])
    rounds_options(verb)
    verb.add_argument("--jobs", type=whole, default=20_000)
    verb = add(
        "latency",
        lambda a: latency(a.peer, a.jobs, a.rounds, a.aof, a.out),
        "how soon a job begins, beside peers",
    )
    peers_option(verb, RIVALS)
    rounds_options(verb)
    verb.add_argument("--jobs", type=whole, default=500)
    verb = add(
        "archive",
        lambda a: archive(a.peer, a.jobs, a.rate, a.rounds, a.aof, a.out),
        "from the send to the row in Postgres, beside peers",
    )
    peers_option(verb, ARCHIVES)
    rounds_options(verb)
    verb.add_argument("--jobs", type=whole, default=50_000)
    verb.add_argument("--rate", type=whole, default=5_000, help="jobs a second, for 20 s; ours alone")
    verb = add(
        "recover", lambda a: recover(a.peer, a.rounds, a.patience), "kill -9 of a worker, beside peers"
    )
    peers_option(verb, RIVALS)
    verb.add_argument("--rounds", type=whole, default=3, help="Each of them in turn, so many times.")
    verb.add_argument("--patience", type=float, default=60, help="seconds to wait for each")
    add("curves", lambda a: curves(), "cost of a job by number of jobs, tasks, workers, log lines")


def add_server(add: Callable[..., argparse.ArgumentParser]) -> None:
    verb = add(
        "sockets",
        lambda a: sockets(a.workers, a.feeds, a.jobs, a.capacity),
        "remote workers and pages on one server process",
    )
    verb.add_argument("--workers", type=whole, default=500)
    verb.add_argument("--feeds", type=int, default=200)
    verb.add_argument("--jobs", type=whole, default=20_000)
    verb.add_argument("--capacity", type=whole, default=10, help="jobs that a worker holds at once")
    verb = add(
        "looking",
        lambda a: looking(a.jobs, a.requests),
        "lists and single jobs out of a large archive, over HTTP",
    )
    verb.add_argument("--jobs", type=whole, default=1_000_000)
    verb.add_argument("--requests", type=whole, default=300)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)

    def add(name: str, run: Run, text: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(run=run)
        return verb

    add_jobs(add)
    add_clocks(add)
    add_server(add)
    args = parser.parse_args()
    settings = {name: value for name, value in vars(args).items() if name not in ("run", "alone")}
    print_machine(**settings)
    args.run(args)


main()
