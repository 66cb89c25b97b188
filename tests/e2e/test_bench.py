"""The benches run, and refuse what makes no sense. What they measure is not judged here."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "scripts" / "bench"


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(BENCH), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_throughput_beside_the_floor() -> None:
    ran = bench("throughput", "--peer", "floor", "--jobs", "500", "--rounds", "1")
    assert ran.returncode == 0, ran.stderr
    head, _, *rows = [line for line in ran.stdout.splitlines() if line.startswith("|")]
    ours, floor = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    figures = dict(zip(head.strip("|").replace(" ", "").split("|"), ours, strict=True))
    assert (ours[0], floor[0]) == ("infinitas", "floor")
    assert float(figures["jobs/s"].replace(",", "")) > 0
    assert float(figures["commands"]) > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("throughput", "--rounds", "0"), "not a whole number from 1"),
        (("latency", "--peer", "cron"), "invalid choice: 'cron'"),
        (("archive", "--peer", "rq"), "invalid choice: 'rq'"),
        (("curves", "--peer", "rq"), "unrecognized arguments"),
        (("burst", "10", "--rounds", "2"), "go with --peer"),
        (("burst", "--peer", "arq", "--schedulers", "2"), "does not go with --peer"),
    ],
)
def test_wrong_options_are_refused(arguments: tuple[str, ...], said: str) -> None:
    ran = bench(*arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
