"""Infinitas: schedules of one task, stored at run time (`python infinitas_cron.py` stores them)."""

import counters

from infinitas import Entry, Infinitas

app = Infinitas()


@app.task
async def late() -> None:
    counters.record_lateness()


def declare() -> None:
    entries = [Entry(key=name, rule=counters.CRON) for name in counters.schedules()]
    app.schedules.add_many("late", entries)


if __name__ == "__main__":
    declare()
