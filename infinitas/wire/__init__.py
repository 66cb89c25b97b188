"""The JSON of HTTP and WebSocket, used by server, client and remote worker."""
