"""Example worker code; imports only `infinitas` and what the work needs."""
