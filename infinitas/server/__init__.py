"""The server: HTTP and WebSocket for clients and workers in any language."""
