"""Moments and durations on the command line."""

from datetime import datetime, timedelta
from typing import Any

import click

from infinitas.cli.output import now
from infinitas.core.codec import instant
from infinitas.core.errors import BadSchedule, Refused
from infinitas.core.interval import parse_every


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date with its offset: `2026-12-24T18:00+01:00`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date; write e.g. 2026-12-24T18:00+01:00", param, ctx)
        if found.tzinfo is None:
            self.fail(f"{value!r} has no time zone; write e.g. {value}Z or {value}+01:00", param, ctx)
        try:
            return instant(found, "the moment")
        except Refused as error:
            self.fail(str(error), param, ctx)


class Span(click.ParamType[float]):
    """A duration such as `90s` or `1h30m`, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value in ("0", 0):
            return 0.0
        try:
            return parse_every(str(value)).ms / 1000
        except BadSchedule as error:
            self.fail(str(error), param, ctx)


class Since(click.ParamType[datetime]):
    """A moment with its offset, or how long ago: `90m`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return now() - timedelta(milliseconds=parse_every(str(value)).ms)
        except BadSchedule:
            return Moment().convert(value, param, ctx)
