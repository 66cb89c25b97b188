"""Infinitas over HTTP and WebSocket, for programs that can't reach Redis: `Infinitas(server="wss://…")`."""
