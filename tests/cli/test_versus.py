"""`infinitas preview --versus croniter`."""

import json

from click.testing import CliRunner

from infinitas.cli.main import cli
from infinitas.core.errors import BadSchedule


def test_the_slots_that_only_one_of_both_has() -> None:
    def compare(*arguments: str) -> dict[str, object]:
        ran = CliRunner().invoke(
            cli, ["preview", *arguments, "--versus", "croniter", "-o", "json"], catch_exceptions=False
        )
        found: dict[str, object] = json.loads(ran.stdout)
        return found

    calm = compare("15 4 * * *")
    assert (calm["same"], calm["only_here"], calm["only_there"]) == (366, [], [])
    night = compare("30 2 * * *", "--tz", "Europe/Paris")
    assert isinstance(night["same"], int)
    assert 364 <= night["same"] <= 367
    text = CliRunner().invoke(cli, ["preview", "15 4 * * *", "--versus", "croniter"]).stdout
    assert "same: 366 slots" in text


def test_an_interval_is_refused() -> None:
    ran = CliRunner().invoke(cli, ["preview", "every 5m", "--versus", "croniter"])
    assert isinstance(ran.exception, BadSchedule)
