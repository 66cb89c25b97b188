"""The server: HTTP for every language."""
