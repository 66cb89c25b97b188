"""Paths of the API on a server."""

PREFIX = "/api/v1"
WORKER = f"{PREFIX}/worker"
"""The WebSocket of workers."""
