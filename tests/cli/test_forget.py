"""`infinitas archiver --forget`."""

import json

from redis import Redis

from tests.support import Processes

READERS = "{infinitas:default}:readers"


def test_an_archiver_is_forgotten_in_human_form_and_in_json(processes: Processes, redis: Redis) -> None:
    redis.sadd("infinitas:queues", "default", "slow")
    redis.hset(READERS, "archiver", "0-0")
    redis.hset("{infinitas:slow}:readers", "archiver", "0-0")
    found = processes.run("archiver", "--forget", "-q", "slow", "-o", "json")
    assert (found.returncode, json.loads(found.stdout)) == (0, {"forgotten": ["slow"]})
    assert redis.exists(READERS)
    assert "in: default" in processes.run("archiver", "--forget").stdout
    assert not redis.exists(READERS)
    assert "no archiver to forget" in processes.run("archiver", "--forget").stdout
    redis.hset(READERS, "notifier", "0-0")
    assert "The notifier is forgotten" in processes.call("notifier", "--forget").stdout
    assert "no notifier to forget" in processes.call("notifier", "--forget").stdout
    refused = processes.run("archiver", "-o", "json")
    assert refused.returncode == 2
