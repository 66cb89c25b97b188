"""Where a worker's jobs come from: Redis, or a server over a WebSocket."""
