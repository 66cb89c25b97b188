"""Benchmarks of the product, each on servers of its own: `.venv/bin/python scripts/bench COMMAND`."""

import argparse
import signal
import sys
from importlib import import_module
from typing import NoReturn

from environment import print_machine

VERBS = ["throughput", "latency", "archive", "recover", "curves"]
VERBS += ["burst", "schedules", "sustained", "takeover", "sockets", "api-reads", "page", "pages"]
"""Each is a file in `verbs/` with `add_options` and `run`; its docstring is its line in the list."""
NOT_SHOWN = ("run", "alone")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    commands = parser.add_subparsers(dest="verb")
    modules = {name: import_module(f"verbs.{name.replace('-', '_')}") for name in VERBS}
    for name, module in modules.items():
        command = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_options(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args()
    if args.verb is None:
        for name, module in modules.items():
            print(f"{name:<10}  {module.__doc__}")
        print("\nscripts/bench COMMAND -h describes its options.")
        return
    # So that servers and worktrees are removed on SIGTERM as well.
    signal.signal(signal.SIGTERM, _stop)
    print_machine(**{name: value for name, value in vars(args).items() if name not in NOT_SHOWN})
    args.run(args)


def _stop(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


main()
