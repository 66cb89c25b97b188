"""Tries a client of the WebSocket protocol."""
