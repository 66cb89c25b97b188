"""A server, and worker processes that can reach nothing else."""

from tests.server.conftest import archiver, http, make_peer, make_token, scheduler

__all__ = ["archiver", "http", "make_peer", "make_token", "scheduler"]
