"""`infinitas channel`: on Postgres itself, and through a server."""

import json
import subprocess

import httpx
import pytest

from infinitas.cli.incidents import actor
from tests.server.test_audit import search
from tests.server_fixtures import Server
from tests.support import Processes, eventually

Ran = subprocess.CompletedProcess[str]


@pytest.fixture
def notifier_stand_in(server: Server) -> None:
    """Nothing sends in these tests: what a notifier would have recorded is written by them."""
    server.recorded = True


def channel(processes: Processes, server: Server, *arguments: str, remote: bool = False) -> Ran:
    way = {"INFINITAS_SERVER": server.address} if remote else {"INFINITAS_POSTGRES_URL": server.postgres_url}
    processes.environment.update({"INFINITAS_SERVER": "", "INFINITAS_POSTGRES_URL": "", **way})
    return processes.call("channel", *arguments)


@pytest.mark.parametrize("remote", [False, True], ids=["direct", "remote"])
@pytest.mark.usefixtures("notifier_stand_in")
def test_channels_from_the_command_line(
    processes: Processes, server: Server, http: httpx.Client, remote: bool
) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        ran = channel(processes, server, *arguments, remote=remote)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    assert run("ls") == ""
    made = run("add", "ops", "webhook", "--url", "https://example.com/s3cret")
    assert "ops sends to https://example.com/…" in made
    assert "shown this once: whsec_" in made
    taken = run("add", "ops", "slack", "--url", "https://example.com/", code=1)
    assert "There is a channel 'ops' already; change it with PUT, or --replace." in taken
    assert "needs sender" in run("add", "mail", "email", "--host", "h", "--to", "a@example.com", code=1)
    mail = ["mail", "email", "--host", "h", "--to", "a@example.com", "--sender", "b@example.com"]
    run("add", *mail)
    run("add", *mail, "--to", "c@example.com", "--replace")
    listed = json.loads(run("ls", "-o", "json"))
    assert [(each["name"], each["state"]) for each in listed] == [("mail", "new"), ("ops", "new")]
    assert listed[0]["config"]["to"] == ["a@example.com", "c@example.com"]
    table = run("ls").splitlines()
    assert table[0].split("\t")[:4] == ["NAME", "TYPE", "STATE", "LAST SENT"]
    assert table[2].split("\t")[:4] == ["ops", "webhook", "new", "never"]
    assert "does `infinitas notifier` run?" in run("test", "ops", "--timeout", "0", code=1)
    assert run("deliveries", "ops") == ""
    assert "unknown_channel" in run("test", "nothing", code=5)
    assert "unknown_channel" in run("deliveries", "nothing", code=5)
    assert "unknown_delivery" in run("replay", "77", code=5)
    assert run("rm", "ops") == "ops is removed.\n"
    assert "unknown_channel" in run("rm", "ops", code=5)
    assert "s3cret" not in json.dumps(listed) + "".join(table)


@pytest.mark.usefixtures("archiver")
def test_changes_from_the_command_line_are_in_the_audit(
    processes: Processes, server: Server, http: httpx.Client
) -> None:
    channel(processes, server, "add", "ops", "webhook", "--url", "https://example.com/s3cret")
    channel(processes, server, "test", "ops", "--timeout", "0")
    channel(processes, server, "rm", "ops")
    entries = eventually(lambda: found if len(found := search(http)) >= 3 else None)
    assert [each["action"] for each in entries] == ["remove_channel", "test_channel", "add_channel"]
    assert {(each["origin"], each["actor"]) for each in entries} == {("command line", actor())}
    assert entries[2]["changes"]["target"] == [None, "https://example.com/…"]
    assert "s3cret" not in str(entries)
