"""The benches run, and refuse what makes no sense. What they measure is not judged here."""

import json
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "scripts" / "bench"
THROUGHPUT = ("throughput", "--jobs", "500", "--rounds", "1")


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(BENCH), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each table, without the line below its head."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|---"):
            continue
        if line.startswith("|") and not inside:
            found.append([])
        inside = line.startswith("|")
        if inside:
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def worktrees() -> str:
    command = ["git", "-C", str(ROOT), "worktree", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return listed.stdout


def test_without_an_argument_each_command_has_a_line() -> None:
    ran = bench()
    assert ran.returncode == 0, ran.stderr
    lines = dict(line.split("  ", 1) for line in ran.stdout.splitlines() if "  " in line)
    files = {file.stem.replace("_", "-") for file in (BENCH / "verbs").glob("*.py")}
    assert set(lines) == files
    assert all(line.strip().endswith(".") for line in lines.values())


def test_against_a_folder_its_package_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "infinitas", tmp_path / "infinitas")
    main = tmp_path / "infinitas" / "__main__.py"
    main.write_text(f"open({str(tmp_path / 'has_run')!r}, 'w').close()\n" + main.read_text())
    out = tmp_path / "out.json"
    ran = bench(*THROUGHPUT, "--against", str(tmp_path), "--out", str(out))
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "has_run").exists()
    medians, ratios = tables(ran.stdout)
    assert [row[0] for row in medians[1:]] == ["infinitas", str(tmp_path)]
    written = json.loads(out.read_text())
    assert list(written) == ["infinitas", str(tmp_path), "ratios"]
    ours, theirs = (written[name][0]["jobs/s"] for name in ("infinitas", str(tmp_path)))
    assert written["ratios"]["jobs/s"] == ours / theirs
    assert ratios[1][:2] == ["jobs/s", f"{ours / theirs:,.2f}"]


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder for temporary files of one bench, with a path that is short enough for a Unix socket's."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield folder


def test_beside_the_floor_and_against_a_ref_no_worktree_remains(temporary: str) -> None:
    worktrees()
    ran = bench(*THROUGHPUT, "--system", "floor", "--against", "HEAD")
    assert ran.returncode == 0, ran.stderr
    (head, *rows), _ = tables(ran.stdout)
    assert [row[0] for row in rows] == ["infinitas", "HEAD", "floor"]
    figures = dict(zip(head, rows[0], strict=True))
    assert float(figures["jobs/s"].replace(",", "")) > 0
    assert float(figures["commands"]) > 1
    assert temporary not in worktrees()


WRONG = {
    ("throughput", "--rounds", "0"): "not a whole number from 1",
    ("throughput", "--against", "no-such-ref"): "no-such-ref",
    ("latency", "--system", "cron"): "invalid choice: 'cron'",
    ("archive", "--system", "rq"): "invalid choice: 'rq'",
    ("curves", "--system", "rq"): "unrecognized arguments",
    ("burst", "10", "--rounds", "2"): "go with --system",
    ("burst", "--system", "arq", "--schedulers", "2"): "does not go with --system",
}


def test_wrong_options_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    for arguments, error in WRONG.items():
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(BENCH / "__main__.py"), run_name="__main__")
        assert ended.value.code == 2, arguments
        assert error in capsys.readouterr().err, arguments
