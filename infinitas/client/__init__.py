"""Clients: verbs over tasks, jobs and schedules, from outside a worker."""
