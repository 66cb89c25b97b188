"""`infinitas sync`: shows what a deploy changes, slot by slot, and applies it."""

import click

from infinitas.app.deploy import apply_sync, plan_sync
from infinitas.cli.context import ask_redis, configured_app, output_option
from infinitas.cli.output import moment, print_json
from infinitas.client.redis_client import RedisClient
from infinitas.core.declaration import ChangeKind, ScheduleChange, SyncPlan, TaskMove
from infinitas.core.plural import counted
from infinitas.core.schedule import Schedule
from infinitas.wire.sync import Synced

_MARKS = {
    ChangeKind.NEW: "+",
    ChangeKind.CHANGED: "~",
    ChangeKind.OVERRIDDEN: "!",
    ChangeKind.ORPHAN: "?",
    ChangeKind.SERVED: "=",
    ChangeKind.UNREADABLE: "!",
}
_SHOWN = 3


@click.command()
@click.argument("path", required=False, metavar="[MODULE:APP]")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--prune", is_flag=True, help="Remove schedules that no code declares any more.")
@output_option
@click.pass_context
def sync(ctx: click.Context, path: str | None, dry_run: bool, prune: bool, output: str | None) -> None:
    """Store what the code declares, as a step of a deploy.

    Shows each schedule that changes, with the slots of the next 24 hours that come and go.
    """
    app = configured_app(ctx, path)

    async def carry_out(client: RedisClient) -> SyncPlan:
        plan = await plan_sync(app.registry, client)
        if not dry_run:
            await apply_sync(app.registry, client, plan, prune=prune)
        return plan

    plan = ask_redis(ctx, carry_out)
    if output == "json":
        print_json(Synced.of(plan, dry_run=dry_run, prune=prune))
        return
    _print(plan, dry_run=dry_run, prune=prune)


def _print(plan: SyncPlan, *, dry_run: bool, prune: bool) -> None:
    changes = [change for change in plan.schedules if change.kind is not ChangeKind.SAME]
    for name in plan.new_tasks:
        click.echo(f"+ task {name}")
    for name in plan.changed_tasks:
        click.echo(f"~ task {name}: other options")
    for place in plan.places:
        click.echo(f"~ task {place.task}: its code is {place.place}, it was {place.former}")
    for move in plan.moves:
        click.echo(f"> task {move.task}: {_move(move)}")
    if plan.taken:
        click.echo(f"! {plan.taken}")
    for change in changes:
        click.echo(f"{_mark(change, prune)} schedule {change.key}: {_words(change, prune)}")
        for sign, slots in (("+", change.gained), ("-", change.lost if _goes(change, prune) else ())):
            if slots:
                shown = ", ".join(moment(slot) for slot in slots[:_SHOWN])
                more = ", …" if len(slots) > _SHOWN else ""
                count = counted(len(slots), "slot")
                click.echo(f"    {sign}{count} in the next 24 h: {shown}{more}")
    same = len(plan.schedules) - len(changes)
    if not (changes or plan.new_tasks or plan.changed_tasks or plan.moves or plan.places or plan.taken):
        click.echo(f"Nothing changes in {counted(same, 'schedule')} of the code.")
    elif dry_run:
        click.echo("Nothing was stored (--dry-run).")
    else:
        click.echo("Done.")


def _move(move: TaskMove) -> str:
    former = f"{move.former_task} in the queue {move.former_queue}"
    text = f"{former} → {move.task} in the queue {move.queue}, with its schedules and what waits"
    text += f" ({counted(move.jobs, 'job')} there now)" if move.jobs else ""
    later = "; live workers serve it there, so the first worker of the new code moves it"
    return text + (later if move.waits else "")


def _goes(change: ScheduleChange, prune: bool) -> bool:
    return change.kind is ChangeKind.CHANGED or (change.kind is ChangeKind.ORPHAN and prune)


def _mark(change: ScheduleChange, prune: bool) -> str:
    return "-" if change.kind is ChangeKind.ORPHAN and prune else _MARKS[change.kind]


def _words(change: ScheduleChange, prune: bool) -> str:
    before, after = change.before, change.after
    if change.kind is ChangeKind.NEW and after:
        return f"new, {_rule(after)}"
    if change.kind is ChangeKind.CHANGED and before and after:
        if _rule(before) != _rule(after):
            return f"{_rule(before)} → {_rule(after)}"
        return f"other {', '.join(change.fields)}"
    if change.kind is ChangeKind.OVERRIDDEN and before and after:
        return (
            f"overridden in {', '.join(change.fields)}; it stays {_rule(before)} until the code's own changes"
        )
    if change.kind is ChangeKind.UNREADABLE:
        becomes = _rule(change.after) if change.after else "left alone; `schedule rm` removes it"
        return f"can't be read here ({change.why}) → {becomes}"
    if change.kind is ChangeKind.SERVED:
        return "not in this app, but a live worker serves its task; it stays"
    return "no code declares it" + ("; removed" if prune else "; --prune removes it")


def _rule(schedule: Schedule) -> str:
    return f"{schedule.rule_text} {schedule.timezone}" if schedule.cron else schedule.rule_text
