"""Over HTTP and WebSocket, without Redis."""
