"""The `infinitas` command: global options, and how errors are printed, for people and for programs."""

import importlib
import re
import sys

import click

from infinitas.core.errors import InfinitasError

COMMANDS = {
    "archiver": ("infinitas.cli.processes", "archiver", "Record history in Postgres."),
    "channel": (
        "infinitas.cli.channels",
        "channel_group",
        "Where messages go: ls, add, rm, test, deliveries, replay.",
    ),
    "conformance": (
        "infinitas.cli.conformance",
        "conformance",
        "Test a client of the WebSocket protocol (docs/protocol.md).",
    ),
    "dev": (
        "infinitas.cli.processes",
        "dev",
        "Run everything in one process, with its own Redis and Postgres; prints each job and its log.",
    ),
    "incident": (
        "infinitas.cli.incidents",
        "incident_group",
        "Incidents: list, show, acknowledge, mute.",
    ),
    "healthcheck": (
        "infinitas.cli.healthcheck",
        "healthcheck",
        "Whether the processes of this host are well, for containers and monitors.",
    ),
    "job": ("infinitas.cli.jobs", "job_group", "Jobs: list, show, logs, cancel, retry, run again, wait for."),
    "migrate": ("infinitas.cli.migrate", "migrate", "Create or update the archive's tables in Postgres."),
    "notifier": (
        "infinitas.cli.processes",
        "notifier",
        "Notify people of failures, missed slots, dead workers.",
    ),
    "doctor": (
        "infinitas.cli.doctor",
        "doctor",
        "Check Redis, Postgres, queues and processes.",
    ),
    "exec": (
        "infinitas.cli.exec",
        "exec_command",
        "Run a command of a crontab, and report its start, end, exit code and output by pings.",
    ),
    "ping": (
        "infinitas.cli.pings",
        "ping_group",
        "Tasks that run elsewhere and report by pings: add, ls, rotate, rm.",
    ),
    "preview": (
        "infinitas.cli.preview",
        "preview",
        "Explain a cron expression: its meaning, next slots, and what clock changes do to it.",
    ),
    "queue": ("infinitas.cli.queues", "queue_group", "Queues: list, pause, resume, purge."),
    "restore": (
        "infinitas.cli.restore",
        "restore",
        "Restore schedules and unfinished jobs from Postgres, where Redis has lost them.",
    ),
    "rule": (
        "infinitas.cli.notify_rules",
        "rule_group",
        "Rules for which channels are notified of which incidents: ls, set, rm.",
    ),
    "schedule": (
        "infinitas.cli.schedules",
        "schedule_group",
        "Schedules: list, show, add, change, reset, pause, skip, trigger, backfill.",
    ),
    "scheduler": ("infinitas.cli.processes", "scheduler", "Fire due schedules, rescue jobs of dead workers."),
    "server": (
        "infinitas.cli.server",
        "server",
        "Serve HTTP and WebSocket: tasks, schedules, jobs, remote workers (docs/http.md).",
    ),
    "status": ("infinitas.cli.status", "status", "What runs, what waits, what is missing."),
    "sync": ("infinitas.cli.sync", "sync", "Store what the code declares, as a step of a deploy."),
    "task": ("infinitas.cli.tasks", "task_group", "Tasks: list, show, run now, preview, pause, remove."),
    "token": ("infinitas.cli.server", "token_group", "Access tokens of the server: add, ls, rm."),
    "top": ("infinitas.cli.top", "top", "What runs and what waits, shown again every two seconds."),
    "worker": ("infinitas.cli.processes", "worker", "Run jobs."),
}
"""Module, name in it, and its line in `infinitas --help`; a command is imported when it is called."""


class _Commands(click.Group):
    """`infinitas worker app:app` runs a worker, `worker ls` lists them, `worker drain` stops one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[:1] == ["worker"] and args[1:2] in (["ls"], ["drain"]):
            from infinitas.cli.workers import drain_worker, list_workers

            found = list_workers if args[1] == "ls" else drain_worker
            return f"worker {args[1]}", found, args[2:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in sorted(COMMANDS.items())])


_PASSWORD = re.compile(r"//[^/?#]*:[^/?#@]+@|password=")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    *("-A", "--app", "app"),
    metavar="MODULE:OBJECT",
    envvar="INFINITAS_APP",
    help="The app, e.g. workers.demo:app. Default: INFINITAS_APP.",
)
@click.option("--redis-url", metavar="URL", help="Default: INFINITAS_REDIS_URL, or infinitas.toml.")
@click.option("--postgres-url", metavar="URL", help="Default: INFINITAS_POSTGRES_URL, or infinitas.toml.")
@click.version_option(package_name="infinitas")
@click.pass_context
def cli(ctx: click.Context, app: str | None, redis_url: str | None, postgres_url: str | None) -> None:
    """An application-level cron you can trust."""
    for option, url in (("--redis-url", redis_url), ("--postgres-url", postgres_url)):
        if url and _PASSWORD.search(url):
            click.echo(
                f"infinitas: every user of this machine can read {option} in the list of processes, with its "
                f"password. Set INFINITAS_{option[2:].upper().replace('-', '_')} instead.",
                err=True,
            )
    ctx.obj = {"app": app, "redis_url": redis_url, "postgres_url": postgres_url}


def main() -> None:
    """Exit codes: 0 ok, 1 error, 2 usage, 5 not found, 6 a server can't be reached.

    3: the job did not succeed, or a part that is waited for does not run; 4: the job has not ended in time.
    """
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except InfinitasError as error:
        from infinitas.cli.context import print_error

        sys.exit(print_error(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
