"""What is attacked, and by which tokens."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx

SCOPES = {"read": "read", "jobs": "jobs tasks", "worker": "worker:noise"}
"""Scopes of the attacker's tokens."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and tokens of an attacker, named as in SCOPES."""

    address: str
    read: str
    jobs: str
    worker: str

    def http(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Limits(max_connections=100)
        return httpx.Client(
            base_url=self.address, headers=headers, timeout=60, trust_env=False, limits=limits
        )


Attack = Callable[[Target, float], None]
"""Attacks for a number of seconds. Raises AssertionError where the server gives in."""
