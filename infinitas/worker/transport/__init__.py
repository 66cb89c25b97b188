"""The ways between a worker and the broker: Redis, or a server's WebSocket."""
