"""Arguments on the command line."""

import click
import pytest

from infinitas import BadArgs
from infinitas.cli.tasks import _parameters, _unusual, encode_args
from infinitas.core.task_definition import TaskDefinition
from tests.server_fixtures import APP

PACKED = '["2026-01-01","__8=",["a"]]'


@pytest.mark.parametrize("app", [APP, ""])
def test_arguments_are_json_and_stay_as_they_are(app: str) -> None:
    """Bytes in them are base64 already."""
    context = click.Context(click.Command("task"), obj={"app": app})
    assert encode_args(context, "pack", PACKED) == f"[{PACKED},{{}}]"


@pytest.mark.parametrize("args", ['["?","__8=",[]]', '["2026-01-01","?",[]]', '{"day":"2026-01-01"}'])
def test_they_are_checked_where_the_app_is_named(args: str) -> None:
    context = click.Context(click.Command("task"), obj={"app": APP})
    with pytest.raises(BadArgs, match=r"(day|raw): "):
        encode_args(context, "pack", args)


def test_parameters_are_shown_by_name_type_and_default() -> None:
    how = '{"type":"string","default":"ok"}'
    schema = f'{{"properties":{{"n":{{"type":"integer"}},"how":{how},"order":{{"$ref":"#/$defs/O"}}}}}}'
    shown = TaskDefinition(name="crunch", parameters=schema)
    assert _parameters(shown) == 'n: integer, how: string = "ok", order'
    assert _unusual(shown) == ""
    assert _parameters(TaskDefinition(name="crunch")) == ""
    assert _parameters(TaskDefinition(name="crunch", parameters='{"type":"object"}')) == ""
