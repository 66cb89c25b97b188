"""`infinitas doctor`: both forms, and exit code 1 when something is wrong."""

import json

from redis import Redis

from infinitas.broker.inspect.orphans import orphans_of
from infinitas.broker.inspect.rights import PROBE
from infinitas.core.findings import REMEDIES, FindingCode
from tests.support import Processes


def test_findings_have_a_remedy_and_the_exit_code_is_1(
    processes: Processes, redis: Redis, postgres_url: str
) -> None:
    redis.set("{infinitas:gone}:stream:t", 1)
    result = processes.call("doctor", "-o", "json")
    assert result.returncode == 1, result.stderr
    report = json.loads(result.stdout)
    assert report["ok"] is False
    found = {each["code"]: each for each in report["findings"]}
    assert {"no_scheduler", "no_archiver", "orphan_keys"} <= set(found)
    assert found["orphan_keys"]["names"] == ["{infinitas:gone}:*"]
    assert all(each["text"] and each["remedy"] and each["where"] for each in found.values())
    text = processes.call("doctor")
    assert text.returncode == 1
    assert f"→ {REMEDIES[FindingCode.NO_SCHEDULER]}" in text.stdout


def test_the_key_of_another_doctor_is_no_orphan() -> None:
    assert list(orphans_of([PROBE, "{infinitas:gone}:stream:t"], {})) == ["{infinitas:gone}:*"]


def test_it_works_on_redis_itself(processes: Processes) -> None:
    processes.environment["INFINITAS_SERVER"] = "ws://127.0.0.1:1"
    result = processes.call("doctor")
    assert (result.returncode, "bad_setting" in result.stderr) == (2, True)
