"""Cron expressions in a time zone."""
