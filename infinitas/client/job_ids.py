"""Ids of new jobs."""

import secrets
import time

from infinitas.core.codec import sent_job_id


def fresh_id() -> str:
    """A new job's id. Its time only makes ids sort; a job's creation time comes from Redis."""
    return sent_job_id(time.time_ns() // 1_000_000, secrets.randbits(80))
