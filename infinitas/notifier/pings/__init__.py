"""Pings out: runs of tasks with a `monitor` are reported to Healthchecks, Cronitor or Sentry."""
