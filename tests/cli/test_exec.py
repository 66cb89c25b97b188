"""`infinitas exec`: the command behaves as without it, and its run is reported."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from infinitas.cli.main import cli
from infinitas.client import ping_sender
from tests.receiver import Receiver, receiving
from tests.support import eventually

ADDRESS = "/api/v1/ping/0123456789abcdefghjkmnpqrs"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def arguments(*words: str) -> list[str]:
    return [sys.executable, "-m", "infinitas", "exec", "backup", "--", *words]


def start(
    url: str | None, *words: str, folder: Path | None = None, **more: object
) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INFINITAS_")}
    if url:
        environment["INFINITAS_PING_URL"] = url
    pipe = subprocess.PIPE
    return subprocess.Popen(
        arguments(*words), env=environment, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe
    )


def run(url: str | None, *words: str, folder: Path | None = None) -> "tuple[int, bytes, bytes]":
    process = start(url, *words, folder=folder)
    out, err = process.communicate(b"from stdin\n", timeout=60)
    return process.returncode, out, err


def test_output_input_and_exit_code_pass_through_and_are_reported(receiver: Receiver) -> None:
    script = "cat; echo to stderr >&2; echo $1 --flag; exit 3"
    ended = run(receiver.url + ADDRESS, "sh", "-c", script, "sh", "-x")
    assert ended == (3, b"from stdin\n-x --flag\n", b"to stderr\n")
    start_ping, end_ping = receiver.requests
    assert (start_ping.path, end_ping.path) == (f"{ADDRESS}/start", f"{ADDRESS}/3")
    assert start_ping.query["rid"] == end_ping.query["rid"]
    assert 0 < float(end_ping.query["duration"][0]) < 60
    assert sorted(end_ping.body.splitlines()) == [b"-x --flag", b"from stdin", b"to stderr"]


def test_the_start_is_reported_before_the_end(receiver: Receiver) -> None:
    """Else the server would take a run that has ended for one that runs."""
    sender = ping_sender.PingSender(receiver.url + ADDRESS, pytest.fail)
    receiver.answer = lambda request: 503 if len(receiver.requests) == 1 else 200
    sender.start()
    eventually(lambda: receiver.requests)
    sender.end(0, b"")
    assert receiver.paths == [f"{ADDRESS}/start", f"{ADDRESS}/0"]
    assert "ping" not in [each.name for each in threading.enumerate()], "an outdated start is not repeated"


def test_only_the_end_of_a_long_output_is_sent(receiver: Receiver) -> None:
    code, out, _ = run(receiver.url + ADDRESS, "sh", "-c", "seq 1 20000")
    assert (code, len(out.splitlines())) == (0, 20_000)
    body = receiver.requests[-1].body
    assert len(body) == 10_000
    assert body == out[-10_000:]


@pytest.mark.parametrize("answer", [404, 500, 0, None])
def test_a_server_that_refuses_or_is_silent_changes_nothing(receiver: Receiver, answer: int | None) -> None:
    """A refusal is final; else it tries on for ten seconds: here the test does not wait so long."""
    receiver.answer = lambda _: answer or 0
    url = "http://127.0.0.1:9" if answer is None else receiver.url
    warnings: list[str] = []
    sender = ping_sender.PingSender(url + ADDRESS, warnings.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ping_sender, "END_WITHIN_S", 0.5)
        began = time.monotonic()
        sender.start()
        sender.end(0, b"")
        took = time.monotonic() - began
    assert took < 5
    assert len(warnings) == 1
    assert ADDRESS not in warnings[0]
    assert answer is None or len(receiver.requests) >= 2


def test_the_address_may_be_in_the_file_and_a_failure_is_one_line(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "infinitas.toml").write_text(f'pings.backup = "{receiver.url}{ADDRESS}"')
    receiver.answer = lambda _: 404
    code, out, err = run(None, "echo", "done", folder=tmp_path)
    assert (code, out) == (0, b"done\n")
    assert err == b"infinitas exec: this run of backup is not reported: the server answered 404.\n"
    assert ping_sender.END_WITHIN_S == 10


@pytest.mark.parametrize(("file", "why"), [("", b"set INFINITAS_PING_URL"), ("x = [", b"can't be read")])
def test_wrong_settings_keep_no_command_from_running(tmp_path: Path, file: str, why: bytes) -> None:
    (tmp_path / "infinitas.toml").write_text(file)
    code, out, err = run(None, "echo", "done", folder=tmp_path)
    assert (code, out) == (0, b"done\n")
    assert why in err


def test_signals_reach_the_command_and_its_death_is_ours(receiver: Receiver) -> None:
    script = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    process = start(receiver.url + ADDRESS, "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == b"got it\n"
    assert process.returncode == 7
    killed = start(receiver.url + ADDRESS, "sh", "-c", "kill -KILL $$")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert [path.rpartition("/")[2] for path in receiver.paths if "start" not in path] == ["7", "fail"]


def test_a_command_that_is_not_there_fails_as_in_a_shell(receiver: Receiver) -> None:
    code, out, err = run(receiver.url + ADDRESS, "no-such-command")
    assert (code, out, err) == (127, b"", b"no-such-command: No such file or directory\n")
    assert f"{ADDRESS}/127" in receiver.paths


def test_an_option_after_the_name_is_explained() -> None:
    words = ["exec", "backup", "--url", "http://127.0.0.1:1/", "--", "echo"]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 2
    assert "Options come before the name: infinitas exec --url" in found.output


def test_what_it_leaves_in_the_background_may_write_on(receiver: Receiver, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"(until [ -e {go} ]; do sleep 0.01; done; echo later) & echo now"
    process = start(receiver.url + ADDRESS, "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"now\n"
    assert process.wait(timeout=60) == 0, "it does not wait for it"
    go.touch()
    assert process.stdout.read() == b"later\n"
    process.communicate()


def test_a_reader_that_goes_away_ends_the_command(receiver: Receiver) -> None:
    process = start(receiver.url + ADDRESS, "yes")
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    eventually(lambda: process.poll() is not None)
    assert process.returncode == -signal.SIGPIPE
    for each in (process.stdin, process.stderr):
        assert each is not None
        each.close()
