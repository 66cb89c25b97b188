"""Benchmarks of the product, each on a Redis of its own: `.venv/bin/python scripts/bench burst`."""

import argparse

from archive import archive
from burst import burst
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


def whole(text: str) -> int:
    """An option that must be a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def rounds_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--rounds", type=whole, default=3, help="Each of them in turn, so many times.")
    verb.add_argument("--aof", action="store_true", help="Redis keeps an append-only file.")
    verb.add_argument("--out", help="A file for the figures of each round, as JSON.")


def peers_option(verb: argparse.ArgumentParser, *more: str) -> None:
    verb.add_argument("--peer", nargs="*", default=[], choices=[*RIVALS, *more], help="Beside ours.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("burst", help="many schedules due in the same second")
    verb.add_argument("counts", nargs="*", type=whole, default=[10_000, 100_000])
    verb.add_argument("--schedulers", type=whole, default=1)
    verb = verbs.add_parser("schedules", help="many schedules that wait: memory, idle CPU")
    verb.add_argument("counts", nargs="*", type=whole, default=[10_000, 100_000, 1_000_000])
    verb.add_argument("--idle", type=whole, default=30, help="seconds to watch")
    verb = verbs.add_parser("sustained", help="many slots every second")
    verb.add_argument("--rate", type=whole, default=1000, help="slots a second")
    verb.add_argument("--seconds", type=whole, default=120)
    verb.add_argument("--worker", action="store_true", help="run the jobs as well")
    verb = verbs.add_parser("takeover", help="kill -9 of one of two schedulers")
    verb.add_argument("--kills", type=whole, default=50)
    verb = verbs.add_parser("sockets", help="remote workers and pages on one server process")
    verb.add_argument("--workers", type=whole, default=500)
    verb.add_argument("--feeds", type=int, default=200)
    verb.add_argument("--jobs", type=whole, default=20_000)
    verb.add_argument("--capacity", type=whole, default=10, help="jobs that a worker holds at once")
    verb = verbs.add_parser("looking", help="lists and single jobs out of a large archive, over HTTP")
    verb.add_argument("--jobs", type=whole, default=1_000_000)
    verb.add_argument("--requests", type=whole, default=300)
    verb = verbs.add_parser("throughput", help="drain and enqueue no-op jobs, beside peers")
    peers_option(verb, "floor")
    rounds_options(verb)
    verb.add_argument("--jobs", type=whole, default=20_000)
    verb = verbs.add_parser("latency", help="how soon a job begins, beside peers")
    peers_option(verb)
    rounds_options(verb)
    verb.add_argument("--jobs", type=whole, default=500)
    verb = verbs.add_parser("archive", help="from the send to the row in Postgres")
    rounds_options(verb)
    verb.add_argument("--jobs", type=whole, default=50_000)
    verb.add_argument("--rate", type=whole, default=5_000, help="jobs a second, for 20 s")
    verb = verbs.add_parser("recover", help="kill -9 of a worker, beside peers")
    peers_option(verb)
    verb.add_argument("--rounds", type=whole, default=3, help="Each of them in turn, so many times.")
    verb.add_argument("--patience", type=float, default=60, help="seconds to wait for each")
    verbs.add_parser("curves", help="cost of a job by number of jobs, tasks, workers, log lines")
    args = parser.parse_args()
    print_machine(**vars(args))
    if args.verb == "burst":
        for count in args.counts:
            burst(count, args.schedulers)
    elif args.verb == "schedules":
        for count in args.counts:
            schedules(count, args.idle)
    elif args.verb == "sustained":
        sustained(args.rate, args.seconds, args.worker)
    elif args.verb == "throughput":
        throughput(args.peer, args.jobs, args.rounds, args.aof, args.out)
    elif args.verb == "latency":
        latency(args.peer, args.jobs, args.rounds, args.aof, args.out)
    elif args.verb == "archive":
        archive(args.jobs, args.rate, args.rounds, args.aof, args.out)
    elif args.verb == "recover":
        recover(args.peer, args.rounds, args.patience)
    elif args.verb == "curves":
        curves()
    elif args.verb == "looking":
        looking(args.jobs, args.requests)
    elif args.verb == "sockets":
        sockets(args.workers, args.feeds, args.jobs, args.capacity)
    else:
        takeover(args.kills)


main()
