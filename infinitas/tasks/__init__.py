"""Tasks: declaring one, sending its jobs, and what its processor receives."""
