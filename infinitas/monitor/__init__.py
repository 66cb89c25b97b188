"""Monitors: report slots without a job in time, and event readers that do not follow."""
