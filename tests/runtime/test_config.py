"""Settings: which source wins, and the error for a wrong value."""

from pathlib import Path

import pytest

from infinitas import ConfigError
from infinitas.runtime.config import load_settings


def test_arguments_beat_the_environment_beats_the_file_beats_defaults(tmp_path: Path) -> None:
    file = tmp_path / "infinitas.toml"
    file.write_text("concurrency = 2\njob_ttl = 7\nlease = 3\n")
    found = load_settings(
        {"concurrency": 4, "lease": None}, {"INFINITAS_CONCURRENCY": "3", "INFINITAS_JOB_TTL": "8"}, file
    )
    assert (found.concurrency, found.job_ttl, found.lease, found.shutdown_timeout) == (4, 8, 3, 8)


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({"INFINITAS_CONCURRENCY": "many"}, ["concurrency", "environment", "'many'", "integer"]),
        ({"INFINITAS_CONCURRENCY": "0"}, ["concurrency", "'0'", "greater than or equal to 1"]),
        ({"INFINITAS_REDIS_URL": "http://u:pw@h"}, ["redis_url", "redis://", "***"]),
        ({"INFINITAS_LOG_LEVEL": "loud"}, ["log_level", "'loud'", "debug|info|warning|error"]),
    ],
)
def test_a_wrong_value_names_the_setting_its_value_and_what_is_allowed(
    environment: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({}, environment, Path("absent.toml"))
    assert all(part in str(refused.value) for part in parts), str(refused.value)
    assert "pw" not in str(refused.value)


def test_an_unknown_setting_or_a_broken_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "infinitas.toml"
    file.write_text("colour = 'red'\n")
    with pytest.raises(ConfigError, match="unknown option 'colour'; there are: app, app_name"):
        load_settings({}, {}, file)
    file.write_text("= nonsense")
    with pytest.raises(ConfigError, match="TOML"):
        load_settings({}, {}, file)
