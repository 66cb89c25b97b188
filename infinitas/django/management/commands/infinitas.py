"""`manage.py infinitas …`: the command line of Infinitas, with the project's app."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from infinitas.cli.main import main

APP = "infinitas.django:app"


class Command(BaseCommand):  # type: ignore[misc]
    """Passes everything behind its name on."""

    help = "The command line of Infinitas, with this project's app: manage.py infinitas worker"

    def run_from_argv(self, argv: list[str]) -> None:
        """Called by manage.py. Options such as --help belong to the command line of Infinitas."""
        self._run(argv[2:])

    def handle(self, *args: Any, **_: Any) -> None:
        """Called by `call_command("infinitas", "task", "ls")`."""
        self._run([str(each) for each in args])

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("args", nargs="*")

    def _run(self, arguments: list[str]) -> None:
        # A supervisor, and a worker that restarts itself, repeat the command line of this process.
        sys.argv = ["infinitas", "-A", APP, *arguments]
        main()
