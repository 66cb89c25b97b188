"""Options that several commands share, and the systems that they choose."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from checkouts import checkout
from systems.tables import System

Parser = argparse.ArgumentParser
Arguments = argparse.Namespace


def whole(text: str) -> int:
    """An option that must be a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def add_rounds(parser: Parser, default: int | None = 3) -> None:
    parser.add_argument(
        "--rounds", type=whole, default=default, help="Number of rounds; each measures every system."
    )
    parser.add_argument("--aof", action="store_true", help="Redis keeps an append-only file.")
    parser.add_argument("--out", help="A file for the figures of each round, as JSON.")


def add_systems(parser: Parser, known: Iterable[str], text: str = "Systems to measure beside ours.") -> None:
    names = list(known)
    text = f"{text} Of: {', '.join(names)}."
    parser.add_argument("--system", nargs="*", default=[], choices=names, metavar="NAME", help=text)


def add_against(parser: Parser) -> None:
    text = "Measure ours at another checkout as well, and print ratios to it: a git ref, or a folder."
    parser.add_argument("--against", metavar="CHECKOUT", help=text)


@contextmanager
def chosen(
    names: Iterable[str], table: Mapping[str, System], against: str | None = None
) -> Iterator[dict[str, System]]:
    """Ours, ours at the other checkout under the name that the option has, then the named systems."""
    ours = table["infinitas"]
    systems = {"infinitas": ours, **{name: table[name] for name in names if name != "infinitas"}}
    if against is None:
        yield systems
        return
    if against in table:
        refuse(f"--against {against} is the name of a system; give the ref as refs/heads/{against}")
    with checkout(against) as path:
        yield {"infinitas": ours, against: replace(ours, checkout=path), **systems}


def refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    raise SystemExit(2)
