"""`infinitas task ls|show|run|preview|pause|resume|rm`."""

from dataclasses import fields
from datetime import datetime

import click
from pydantic_core import from_json, to_json

from infinitas.broker.messages import NewJob
from infinitas.cli.app_path import load_app
from infinitas.cli.context import ask, ask_by_name, output_option
from infinitas.cli.job_ends import end_of, exit_code
from infinitas.cli.output import moment, now, print_facts, print_json, print_rows, printable, relative, strip
from infinitas.cli.spans import Span
from infinitas.client.interface import Client
from infinitas.client.job_ids import fresh_id
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_name
from infinitas.core.plural import counted
from infinitas.core.records import TaskLine, TaskState
from infinitas.core.task_definition import TaskDefinition
from infinitas.tasks.arguments import encode_plain
from infinitas.wire.jobs import JobId, JobView
from infinitas.wire.schedules import NextSlot
from infinitas.wire.tasks import TaskLineView, TaskView

HEADINGS = (
    "TASK",
    "NEXT",
    "LEFT",
    "LAST",
    "RESULT",
    "SUCCESS",
    "FAILURE",
    "STREAK",
    "LAST 10",
    "SCHEDULE",
    "NOTE",
)

EXPENDABLE = ("SCHEDULE", "NEXT", "STREAK", "SUCCESS", "LAST", "FAILURE")


@click.group("task", help="Tasks: list, show, run now, preview, pause, remove.")
def task_group() -> None: ...


@task_group.command("ls")
@output_option
@click.pass_context
def list_tasks(ctx: click.Context, output: str | None) -> None:
    """List tasks: failing ones first, then by next slot."""
    tasks = sorted(ask(ctx, lambda client: client.tasks(recent=True)), key=_urgency)
    if output == "json":
        print_json([TaskLineView.of(task) for task in tasks])
        return
    at = now()
    empty = "No tasks yet. Start a worker: infinitas worker workers.demo:app"
    print_rows(HEADINGS, [_row(task, at) for task in tasks], empty, EXPENDABLE, ("TASK",), ("NOTE",))


def _urgency(task: TaskLine) -> tuple[bool, bool, datetime, str]:
    far = datetime.max.replace(tzinfo=now().tzinfo)
    return task.streak >= 0, bool(note(task)) is False, task.next_slot or far, task.name


def _row(task: TaskLine, at: datetime) -> tuple[str, ...]:
    last = task.last_job
    outcomes = [(outcome.state, outcome.duration_ms) for outcome in task.recent]
    return (
        task.name,
        moment(task.next_slot) or "–",
        relative(task.next_slot, at) or "–",
        relative(last.date, at) if last else "never",
        last.status if last else "–",
        relative(task.last_success.date, at) if task.last_success else "–",
        relative(task.last_failure.date, at) if task.last_failure else "–",
        streak(task.streak),
        strip(outcomes),
        ", ".join(task.rules[:2]) or "–",
        note(task),
    )


def streak(count: int) -> str:
    return "–" if count == 0 else f"✓{count}" if count > 0 else f"✗{-count}"


def note(task: TaskState) -> str:
    """The line that explains a task's state."""
    if task.unreadable:
        return f"unreadable: {task.unreadable}"
    if task.external:
        return "runs elsewhere"
    if task.paused:
        return f"paused ({task.queued} waiting): {task.paused.reason}"
    if not task.has_worker:
        return f"no worker ({task.queued} waiting)" if task.queued else "no worker"
    return f"{task.queued} waiting" if task.queued else ""


def _worker_of(task: TaskState) -> str:
    if task.external:
        return "runs elsewhere, and reports by pings: infinitas ping ls"
    return "yes" if task.has_worker else "none: infinitas worker MODULE:APP starts one"


@task_group.command("show")
@click.argument("name")
@output_option
@click.pass_context
def show_task(ctx: click.Context, name: str, output: str | None) -> None:
    """Show one task: schedules, last job, last success, last failure."""
    task = ask_by_name(ctx, name, lambda client, full: client.task(full))
    if output == "json":
        print_json(TaskView.of(task))
        return
    at = now()

    def line(role: str) -> str:
        job = getattr(task, role)
        return f"{moment(job.date)} ({relative(job.date, at)})  {job.status}  {job.id}" if job else "never"

    definition = task.definition
    print_facts(
        [
            ("task", task.name),
            ("about", definition.doc),
            ("queue", task.queue),
            ("code", definition.place),
            ("former names", ", ".join(definition.aliases)),
            ("timeout", f"{definition.timeout:g} s" if definition.timeout else "none"),
            ("retries", str(definition.retries)),
            ("parameters", _parameters(definition)),
            ("options", _unusual(definition)),
            *(("schedule", f"{s.rule_text}  {s.timezone}  [{s.key}, {s.origin}]") for s in task.schedules),
            ("next", f"{moment(task.next_slot)} ({relative(task.next_slot, at)})" if task.next_slot else "–"),
            ("last job", line("last_job")),
            ("last success", line("last_success")),
            ("last failure", line("last_failure")),
            ("error", task.last_error or ""),
            ("unreadable", task.unreadable or ""),
            ("paused", f"{moment(task.paused.since)}: {task.paused.reason}" if task.paused else ""),
            ("streak", streak(task.streak)),
            ("last 10", strip([(o.state, o.duration_ms) for o in task.recent])),
            ("ready", str(task.queued)),
            ("running", str(task.running)),
            ("worker", _worker_of(task)),
        ]
    )


def _parameters(definition: TaskDefinition) -> str:
    """The parameters with their types and defaults: `n: integer, how: string = "ok"`."""
    schema = from_json(definition.parameters) if definition.parameters else {}
    shown = []
    for name, one in schema.get("properties", {}).items():
        known = one if isinstance(one, dict) else {}
        kind = f": {known['type']}" if isinstance(known.get("type"), str) else ""
        default = f" = {to_json(known['default']).decode()}" if "default" in known else ""
        shown.append(f"{name}{kind}{default}")
    return ", ".join(shown)


def _unusual(definition: TaskDefinition) -> str:
    """The options that differ from their defaults, and have no line of their own."""
    shown = {"name", "queue", "doc", "timeout", "retries", "place", "aliases", "parameters"}
    return ", ".join(
        f"{field.name}={getattr(definition, field.name)}"
        for field in fields(definition)
        if field.name not in shown and getattr(definition, field.name) != field.default
    )


@task_group.command("run")
@click.argument("name")
@click.argument("args", required=False, metavar="[JSON]")
@click.option("-k", "--key", help="Refused while a job of the task with this key lives.")
@click.option("--delay", type=Span(), help="Not before, e.g. 90s or 2h from now.")
@click.option("-w", "--wait", is_flag=True, help="Wait for its end; exit codes as those of job wait.")
@click.option("--timeout", type=float, help="With --wait: seconds. Default: as long as it takes.")
@output_option
@click.pass_context
def run_task(
    ctx: click.Context,
    name: str,
    args: str | None,
    key: str | None,
    delay: float | None,
    wait: bool,
    timeout: float | None,
    output: str | None,
) -> None:
    """Send one job now. JSON: a list of arguments, or an object of named ones."""
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is for --wait.")
    text = encode_args(ctx, name, args)
    if key is not None:
        check_name(key, "key")

    async def send(client: Client, full: str) -> str:
        task = await client.task(full)
        job = NewJob(id=fresh_id(), task=full, args=text, key=key, delay_s=delay)
        await client.send(task.definition, [job])
        return job.id

    job = ask_by_name(ctx, name, send)
    if wait:
        ended = ask(ctx, lambda client: client.wait_for_end(job, timeout))
        print_json(JobView.of(ended)) if output == "json" else click.echo(
            f"{job}  {printable(end_of(ended))}"
        )
        ctx.exit(exit_code(ended))
    if output == "json":
        print_json(JobId(id=job))
    else:
        click.echo(job)


def encode_args(ctx: click.Context, name: str, args: str | None) -> str:
    """Checked against the annotations where the app is named with -A, else only as JSON."""
    try:
        given = from_json(args) if args else []
    except ValueError as error:
        raise BadArgs(f"The arguments are not JSON: {error}.") from None
    if not isinstance(given, (list, dict)):
        raise BadArgs("The arguments are a JSON list, or an object of named arguments.")
    positional = given if isinstance(given, list) else []
    named = given if isinstance(given, dict) else {}
    text = encode_plain(positional, named)
    if ctx.obj["app"]:
        load_app(ctx.obj["app"]).find(name).signature.decode(text)
    return text


@task_group.command("preview")
@click.argument("name")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True)
@output_option
@click.pass_context
def preview_task(ctx: click.Context, name: str, count: int, output: str | None) -> None:
    """Show the next slots of a task's schedules."""
    task = ask_by_name(ctx, name, lambda client, full: client.task(full))
    at = now()
    slots: list[tuple[datetime, str]] = []
    for schedule in task.schedules:
        slot = schedule.next_after(at)
        for _ in range(count):
            if slot is None:
                break
            slots.append((slot, schedule.key))
            slot = schedule.next_after(slot)
    slots = sorted(slots)[:count]
    if output == "json":
        print_json([NextSlot(slot=slot, schedule=key) for slot, key in slots])
        return
    rows = [(moment(slot), f"{slot:%Y-%m-%d %H:%M:%S}Z", relative(slot, at), key) for slot, key in slots]
    print_rows(("LOCAL", "UTC", "LEFT", "SCHEDULE"), rows, f"{name} has no schedule.")


@task_group.command("pause")
@click.argument("name")
@click.option("-r", "--reason", required=True, help="Why; it is shown and kept.")
@output_option
@click.pass_context
def pause_task(ctx: click.Context, name: str, reason: str, output: str | None) -> None:
    """Let jobs of a task wait until `resume`. Those that run go on; schedules go on to make jobs."""
    task = ask_by_name(ctx, name, lambda client, full: client.pause_task(full, reason))
    if output == "json":
        print_json(TaskView.of(task))
    else:
        click.echo(f"{task.name} is paused: its jobs wait.")


@task_group.command("resume")
@click.argument("name")
@output_option
@click.pass_context
def resume_task(ctx: click.Context, name: str, output: str | None) -> None:
    """End the pause of a task; that of its queue goes on."""
    task = ask_by_name(ctx, name, lambda client, full: client.resume_task(full))
    if output == "json":
        print_json(TaskView.of(task))
    elif task.paused:
        click.echo(f"{task.name} still waits: its queue {task.queue} is paused: {task.paused.reason}")
    else:
        click.echo(f"{task.name} goes on. Ready: {counted(task.queued, 'job')}.")


@task_group.command("rm")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Remove it; without, only show what that would end.")
@output_option
@click.pass_context
def remove_task(ctx: click.Context, name: str, yes: bool, output: str | None) -> None:
    """Remove a task that no code serves: its schedules go, what waits is cancelled, history stays."""
    found = ask_by_name(ctx, name, lambda client, full: client.remove_task(full, dry_run=not yes))
    if output == "json":
        print_json(found)
        return
    names = f" ({', '.join(found.schedules[:5])})" if found.schedules else ""
    verb = "is" if yes else "would be"
    verb_of_jobs = verb if found.waiting == 1 or not yes else "are"
    click.echo(
        f"The task {found.task} of the queue {found.queue} {verb} removed, with "
        f"{counted(len(found.schedules), 'schedule')}{names}. "
        f"{counted(found.waiting, 'waiting job')} {verb_of_jobs} cancelled."
    )
    if not yes and found.has_worker:
        click.echo("A live worker serves it: take it from the code first, else it comes back.")
    elif not yes:
        click.echo("Nothing was removed. To do it: add --yes.")
