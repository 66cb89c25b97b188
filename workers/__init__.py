"""Example worker code that somebody would launch; imports only `infinitas` and what the work needs."""
