"""The archiver process: moves history from the event stream into Postgres, exactly once."""
