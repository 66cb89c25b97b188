"""`infinitas dev` and `scripts/demo` start every process, so their extras have what each of them needs."""

import tomllib
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def closure(extras: dict[str, list[str]], name: str) -> set[str]:
    found = {name}
    for need in extras[name]:
        if need.startswith("infinitas["):
            for each in need.removeprefix("infinitas[").removesuffix("]").split(","):
                found |= closure(extras, each)
    return found


@pytest.mark.parametrize("extra", ["embedded", "demo"])
def test_what_runs_everything_can_run_the_notifier(extra: str) -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert {"notifier", "postgres"} <= closure(extras, extra)
