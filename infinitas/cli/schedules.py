"""`infinitas schedule ls|show|add|change|reset|rm|pause|resume|skip|trigger|backfill`."""

import shlex
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import click

from infinitas.cli.context import ask_by_name, ask_of_task, output_option, settings
from infinitas.cli.output import moment, now, print_facts, print_json, print_rows, relative
from infinitas.cli.spans import Moment, Span
from infinitas.cli.tasks import encode_args
from infinitas.client.interface import Client
from infinitas.core.errors import BadSchedule
from infinitas.core.interval import describe_ms, parse_every
from infinitas.core.namespace import Namespace
from infinitas.core.plural import counted
from infinitas.core.schedule import EMPTY_ARGS, Schedule
from infinitas.core.schedule_fields import CATCH_UP, OVERLAP
from infinitas.core.schedule_options import Entry, ScheduleOptions
from infinitas.core.schedule_preview import preview_schedule
from infinitas.core.schedule_records import ScheduleInfo
from infinitas.wire.jobs import JobId
from infinitas.wire.schedules import RemovedSchedule, ScheduleView, Slots

HEADINGS = ("KEY", "NEXT", "LEFT", "LAST", "RULE", "ZONE", "TASK", "NOTE")
EXPENDABLE = ("ZONE", "TASK", "NEXT", "LAST")
_POLICIES = ("dst", "overlap", "catch_up", "catch_up_limit", "max_runs")
_OVERRIDDEN = "overridden: the code has another rule; `schedule reset` takes it back"
_SPANS = ("catch_up_window_ms", "jitter_ms", "grace_ms")


def rule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `add` and `change`."""
    for option in reversed(
        (
            click.option("--cron", metavar="EXPR", help="Five fields, or six with the seconds first."),
            click.option("--every", metavar="SPAN", help="E.g. 30s, 5m, 1h30m, 250ms."),
            click.option("--at", type=Moment(), help="Once, e.g. 2026-12-24T18:00+01:00."),
            click.option("--tz", "timezone", metavar="ZONE", help="IANA name for --cron. Default: UTC."),
            click.option("--args", metavar="JSON", help="A list, or an object of named arguments."),
            click.option("--dst", type=click.Choice(["cron", "skip", "literal"]), help="At clock changes."),
            click.option("--overlap", type=click.Choice(OVERLAP), help="While the last job lives."),
            click.option("--catch-up", type=click.Choice(CATCH_UP), help="After downtime."),
            click.option("--catch-up-window", type=Span(), help="Catch up only slots younger than this."),
            click.option("--catch-up-limit", type=int, help="With --catch-up all: at most this many jobs."),
            click.option("--jitter", type=Span(), help="Spread the starts over this span."),
            click.option("--start", type=Moment(), help="No slot before it."),
            click.option("--end", type=Moment(), help="No slot from then on."),
            click.option("--max-runs", type=int, help="End after this many jobs."),
            click.option("--grace", type=Span(), help="Lateness that is not reported."),
        )
    ):
        command = option(command)
    return command


@click.group("schedule", help="Schedules: list, show, add, change, reset, pause, skip, trigger, backfill.")
def schedule_group() -> None: ...


@schedule_group.command("ls")
@click.option("-t", "--task", help="Only schedules of this task.")
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@output_option
@click.pass_context
def list_schedules(ctx: click.Context, task: str | None, limit: int, output: str | None) -> None:
    """List schedules, those with the earliest next slot first."""
    found = ask_of_task(ctx, task, lambda client, name: client.schedules.next(name, limit))
    if output == "json":
        print_json([ScheduleView.of(info) for info in found])
        return
    at = now()
    rows = [
        (
            info.schedule.key,
            moment(info.next_slot) or "–",
            relative(info.next_slot, at) or "–",
            relative(info.last_slot, at) or "never",
            "unreadable" if info.unreadable else info.schedule.rule_text,
            info.schedule.timezone if info.schedule.cron else "",
            info.schedule.task,
            _note(info),
        )
        for info in found
    ]
    empty = "No schedules. Add one: infinitas schedule add KEY TASK --every 5m"
    print_rows(HEADINGS, rows, empty, EXPENDABLE, ("KEY",), ("RULE", "NOTE"))


def _note(info: ScheduleInfo) -> str:
    notes = []
    if info.paused:
        until = f" until {moment(info.paused.until)}" if info.paused.until else ""
        notes.append(f"paused{until}: {info.paused.reason}")
    if info.skips:
        notes.append(f"skips {info.skips}")
    if info.filling is not None:
        notes.append(f"backfill, {info.filling} left")
    if info.schedule.overridden:
        notes.append("overridden")
    if info.unreadable:
        notes.append(info.unreadable)
    return "; ".join(notes)


@schedule_group.command("show")
@click.argument("key")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True)
@output_option
@click.pass_context
def show_schedule(ctx: click.Context, key: str, count: int, output: str | None) -> None:
    """Show one schedule: rule, policies, state and next slots."""
    _show(ask_by_name(ctx, key, lambda client, full: client.schedules.find(full)), output, count)


def _show(info: ScheduleInfo, output: str | None, count: int = 3) -> None:
    if output == "json":
        print_json(ScheduleView.of(info))
        return
    schedule, at = info.schedule, now()
    if info.unreadable:
        print_facts(
            [
                ("schedule", schedule.key),
                ("unreadable", info.unreadable),
                ("next", "it can't fire; `schedule add` replaces it, `schedule rm` removes it"),
            ]
        )
        return
    found = preview_schedule(schedule, at, count)
    zone = f"  {schedule.timezone}" if schedule.cron else ""
    pause = info.paused
    print_facts(
        [
            ("schedule", schedule.key),
            ("task", schedule.task),
            ("rule", f"{schedule.rule_text}{zone}" + (f"  ({found.description})" if schedule.cron else "")),
            ("from", _OVERRIDDEN if schedule.overridden else schedule.origin),
            ("options", _unusual(schedule)),
            ("arguments", "" if schedule.args == EMPTY_ARGS else schedule.args),
            ("paused", f"{moment(pause.since)}: {pause.reason}" if pause else ""),
            ("until", moment(pause.until) if pause and pause.until else ""),
            ("skips", f"the next {info.skips}" if info.skips else ""),
            ("runs", f"{info.runs} of {schedule.max_runs}" if schedule.max_runs else ""),
            (
                "last slot",
                f"{moment(info.last_slot)} ({relative(info.last_slot, at)})" if info.last_slot else "",
            ),
            ("live job", info.live_job or ""),
            ("backfill", f"left: {counted(info.filling, 'slot')}" if info.filling is not None else ""),
            *(
                (
                    "next" if i == 0 else "",
                    f"{moment(slot.utc)} ({relative(slot.utc, at)})  {slot.note}".rstrip(),
                )
                for i, slot in enumerate(found.slots)
            ),
            ("next", "" if info.next_slot else "none: it is over"),
        ]
    )


def _unusual(schedule: Schedule) -> str:
    usual = Schedule(key="", task="")
    shown = [
        f"{name}={getattr(schedule, name)}"
        for name in _POLICIES
        if getattr(schedule, name) != getattr(usual, name)
    ]
    shown += [
        f"{name.removesuffix('_ms')}={describe_ms(value)}"
        for name in _SPANS
        if (value := getattr(schedule, name))
    ]
    return ", ".join(shown)


@schedule_group.command("add", context_settings={"allow_extra_args": True})
@click.argument("key")
@click.argument("task")
@click.option("--replace", is_flag=True, help="Also in place of another task's schedule.")
@rule_options
@output_option
@click.pass_context
def add_schedule(
    ctx: click.Context, /, key: str, task: str, replace: bool, output: str | None, **given: Any
) -> None:
    """Add a schedule of a task, or replace that task's own of that key."""
    _refuse_bare_rule(ctx)
    rule, at, args, options = _rule(ctx, task, given)
    own_key = Namespace(settings(ctx).app_name).full(key)

    async def add(client: Client, full: str) -> ScheduleInfo:
        entry = Entry(key=own_key, rule=rule, at=at, args=args or EMPTY_ARGS)
        await client.schedules.put(full, [entry], options, replace=replace)
        return await client.schedules.find(own_key)

    _show(ask_by_name(ctx, task, add), output)


@schedule_group.command("change", context_settings={"allow_extra_args": True})
@click.argument("key")
@rule_options
@output_option
@click.pass_context
def change_schedule(ctx: click.Context, /, key: str, output: str | None, **given: Any) -> None:
    """Change a schedule; what is not given stays. One that code declares shows as overridden."""

    _refuse_bare_rule(ctx)

    async def change(client: Client, full: str) -> ScheduleInfo:
        task = (await client.schedules.find(full)).schedule.task
        rule, at, args, options = _rule(ctx, task, given)
        return await client.schedules.change(full, rule, at=at, args=args, options=options)

    _show(ask_by_name(ctx, key, change), output)


def _rule(
    ctx: click.Context, task: str, given: dict[str, Any]
) -> tuple[Any, datetime | None, str | None, ScheduleOptions]:
    """Rule, moment, arguments and options from the command line."""
    left = {name: value for name, value in given.items() if value is not None}
    cron, every_text, at = left.pop("cron", None), left.pop("every", None), left.pop("at", None)
    if sum(each is not None for each in (cron, every_text, at)) > 1:
        raise click.UsageError("Give one of --cron, --every and --at.")
    rule = parse_every(every_text) if every_text is not None else cron
    args = left.pop("args", None)
    return rule, at, None if args is None else encode_args(ctx, task, args), cast(ScheduleOptions, left)


def _refuse_bare_rule(ctx: click.Context) -> None:
    """Raise UsageError: a rule was written without its option."""
    if not ctx.args:
        return
    text = " ".join(ctx.args)
    try:
        parse_every(text)
    except BadSchedule:
        option = "--cron"
    else:
        option = "--every"
    raise click.UsageError(f"A rule is given as an option: {option} {shlex.quote(text)}", ctx)


@schedule_group.command("rm")
@click.argument("key")
@output_option
@click.pass_context
def remove_schedule(ctx: click.Context, key: str, output: str | None) -> None:
    """Remove a schedule; its jobs stay. What code declares comes back with the next worker."""

    async def remove(client: Client, full: str) -> tuple[str, bool]:
        info = await client.schedules.find(full)
        await client.schedules.remove(full)
        return full, info.schedule.origin == "code"

    full, comes_back = ask_by_name(ctx, key, remove)
    if output == "json":
        print_json(RemovedSchedule(removed=full, comes_back=comes_back))
        return
    click.echo(f"{full} is removed.")
    if comes_back:
        click.echo(
            "Code declares it: a worker of that code stores it again, within half a minute or at its next "
            f"start.\nTo stop it, pause it instead: infinitas schedule pause {full} --reason WHY\n"
            "To end it, take schedule= from the code; `infinitas sync MODULE:APP --prune` then removes it."
        )


@schedule_group.command("reset")
@click.argument("key")
@output_option
@click.pass_context
def reset_schedule(ctx: click.Context, key: str, output: str | None) -> None:
    """Take a change back: the schedule is again what the code declares."""
    _show(ask_by_name(ctx, key, lambda client, full: client.schedules.reset(full)), output)


@schedule_group.command("pause")
@click.argument("key")
@click.option("-r", "--reason", required=True, help="Why; it is shown and kept.")
@click.option("--until", type=Moment(), help="Default: until `schedule resume`.")
@output_option
@click.pass_context
def pause_schedule(
    ctx: click.Context, key: str, reason: str, until: datetime | None, output: str | None
) -> None:
    """Skip slots until `resume`; each is recorded as skipped."""
    _show(ask_by_name(ctx, key, lambda client, full: client.schedules.pause(full, reason, until)), output)


@schedule_group.command("resume")
@click.argument("key")
@output_option
@click.pass_context
def resume_schedule(ctx: click.Context, key: str, output: str | None) -> None:
    """End a pause; what was skipped stays skipped (`schedule backfill` makes up for it)."""
    _show(ask_by_name(ctx, key, lambda client, full: client.schedules.resume(full)), output)


@schedule_group.command("skip")
@click.argument("key")
@click.option("-n", "count", type=int, default=1, show_default=True, help="0 takes it back.")
@output_option
@click.pass_context
def skip_slots(ctx: click.Context, key: str, count: int, output: str | None) -> None:
    """Skip the next slots."""
    slots = ask_by_name(ctx, key, lambda client, full: client.schedules.skip_next(full, count))
    if output == "json":
        print_json(Slots(slots=slots))
    elif not slots:
        click.echo("Nothing is skipped.")
    else:
        rest = f" to {moment(slots[-1])}" if len(slots) > 1 else ""
        click.echo(f"Skips {len(slots)}: {moment(slots[0])}{rest}.")


@schedule_group.command("trigger")
@click.argument("key")
@click.argument("args", required=False, metavar="[JSON]")
@output_option
@click.pass_context
def trigger_schedule(ctx: click.Context, key: str, args: str | None, output: str | None) -> None:
    """Send a job of a schedule now, with its arguments or others. Prints the job's id."""

    async def trigger(client: Client, full: str) -> str:
        task = (await client.schedules.find(full)).schedule.task
        return await client.schedules.trigger(full, None if args is None else encode_args(ctx, task, args))

    job = ask_by_name(ctx, key, trigger)
    print_json(JobId(id=job)) if output == "json" else click.echo(job)


@schedule_group.command("backfill")
@click.argument("key")
@click.argument("start", type=Moment())
@click.argument("end", type=Moment())
@click.option("--limit", type=int, default=1, show_default=True, help="Jobs at once.")
@click.option("--dry-run", is_flag=True, help="Only show the slots.")
@output_option
@click.pass_context
def backfill_schedule(
    ctx: click.Context,
    key: str,
    start: datetime,
    end: datetime,
    limit: int,
    dry_run: bool,
    output: str | None,
) -> None:
    """Make jobs of the past slots from START up to, but not with, END that have had none."""
    found = ask_by_name(
        ctx,
        key,
        lambda client, full: client.schedules.backfill(full, start, end, limit=limit, dry_run=dry_run),
    )
    if output == "json":
        print_json(Slots(slots=list(found.slots), known=found.known))
        return
    for slot in found.slots if dry_run else ():
        click.echo(f"{moment(slot)}  {slot:%Y-%m-%dT%H:%M:%SZ}")
    verb = "Would make" if dry_run else "Makes"
    known = f" {found.known} have had theirs." if found.known else ""
    click.echo(f"{verb} {counted(len(found.slots), 'job')} of past slots, {found.limit} at a time.{known}")
