"""Infinitas: schedules of one task, stored at run time (`python infinitas_cron.py` stores them)."""

import marks

from infinitas import Entry, Infinitas

app = Infinitas()


@app.task
async def late() -> None:
    marks.late()


def declare() -> None:
    entries = [Entry(key=name, rule=marks.CRON) for name in marks.schedules()]
    app.schedules.add_many("late", entries)


if __name__ == "__main__":
    declare()
