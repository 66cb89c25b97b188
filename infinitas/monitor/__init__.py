"""Monitors: find slots without a job in time, and event readers that stay behind."""
