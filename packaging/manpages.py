"""Writes the man pages of all commands into a folder, from their help: `manpages.py FOLDER`."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from click_man.core import write_man_pages

from infinitas.cli.main import COMMANDS, cli
from infinitas.runtime.version import VERSION


def whole() -> click.Group:
    """The command with all of its subcommands imported: click-man reads `commands`."""
    context = click.Context(cli, info_name="infinitas")
    commands = {name: command for name in COMMANDS if (command := cli.get_command(context, name))}
    for command in commands.values():
        describe_whole(command)
    return click.Group("infinitas", commands=commands, params=cli.params, help=cli.help)


def describe_whole(command: click.Command) -> None:
    """Keep click-man from cutting the first sentence of a command and its subcommands."""
    command.short_help = command.get_short_help_str(limit=500)
    for each in getattr(command, "commands", {}).values():
        describe_whole(each)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    date = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC).date().isoformat()
    write_man_pages("infinitas", whole(), version=VERSION, target_dir=str(folder), date=date)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
