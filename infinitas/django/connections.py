"""Keeps Django's database connections usable in threads of a worker, which stay for long."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import close_old_connections

from infinitas.tasks.job import Job
from infinitas.tasks.plugins import Plugin


class DjangoConnections(Plugin):
    """Closes connections that are too old, or that the database has dropped, around the code of each job."""

    @contextmanager
    def around_code(self, job: Job) -> Iterator[None]:
        close_old_connections()
        try:
            yield
        finally:
            close_old_connections()
