"""The archiver process: moves events from Redis into Postgres, each exactly once."""
