"""The columns of each table stand once, in its row class; tables and statements have the same."""

import re
from typing import Any

import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.statements import columns, statement
from infinitas.core.history_rows import (
    AttemptRow,
    AuditRow,
    GoneJob,
    JobRow,
    LogRow,
    NoteRow,
    ScheduleRow,
    TaskRow,
)

TABLES = {
    "infinitas_jobs": JobRow,
    "infinitas_attempts": AttemptRow,
    "infinitas_job_logs": LogRow,
}
NEVER_CHANGED = {"id", "job_id", "due_at", "attempt"}
PARAMETERS = {
    "upsert_task": TaskRow,
    "upsert_schedule": ScheduleRow,
    "insert_note": NoteRow,
    "insert_audit": AuditRow,
    "end_gone_job": GoneJob,
}


@pytest.mark.parametrize("table", TABLES)
async def test_a_table_has_the_columns_of_its_row(archive: Archive, table: str) -> None:
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = %(table)s"
    async with archive.transaction() as connection:
        rows = await (await connection.execute(query, {"table": table})).fetchall()
    assert {row[0] for row in rows} == set(columns(TABLES[table]))


@pytest.mark.parametrize(("name", "row"), [("record_jobs", JobRow), ("upsert_attempts", AttemptRow)])
def test_an_upsert_changes_every_column_that_may_change(name: str, row: type[Any]) -> None:
    sql = statement(name)
    _, _, rest = sql.partition("DO UPDATE SET")
    changed = set(re.findall(r"^\s+(\w+) = ", rest.partition("WHERE")[0], re.MULTILINE))
    key = NEVER_CHANGED if row is AttemptRow else NEVER_CHANGED - {"attempt"}
    assert changed == set(columns(row)) - key


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_parameters_of_a_statement_are_the_fields_of_its_row(name: str) -> None:
    assert set(re.findall(r"%\((\w+)\)s", statement(name))) == set(columns(PARAMETERS[name]))
