"""A Django project: settings, autodiscovery, manage.py, connections, sending on commit."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infinitas import BadArgs, Infinitas
from infinitas.devservers.servers import Urls
from infinitas.testing import inline
from tests.django_setup import PROJECT, set_up_django
from tests.support import PATIENCE_S, running


@pytest.fixture(scope="module")
def set_up() -> Iterator[Any]:
    """Django, set up in this process; its models."""
    set_up_django()
    from django.db import connection, connections
    from shop_of_test.models import Order  # type: ignore[import-not-found]

    with connection.schema_editor() as editor:
        editor.create_model(Order)
    yield Order
    connections.close_all()


@pytest.fixture
def shop(set_up: Any, servers: Urls, redis: object) -> Iterator[Infinitas]:
    from infinitas.django import app

    before = app.client.arguments()
    yield app.configure(redis_url=servers.redis)
    app.client.reset(before)


def test_the_settings_make_the_app_and_its_tasks_are_found(shop: Infinitas) -> None:
    assert shop.name == "shop"
    assert list(shop.tasks) == ["shop.pack"]
    assert (shop.tasks["pack"].definition.retries, shop.tasks["pack"].definition.timeout) == (2, 30)


def test_a_job_runs_in_a_thread_whose_connections_are_closed(shop: Infinitas, set_up: Any) -> None:
    order = set_up.objects.create()

    async def run() -> bool:
        async with running(shop):
            handle = await shop.tasks["pack"].asend(order.pk)
            return bool(await handle.result(PATIENCE_S))

    assert asyncio.run(run())
    order.refresh_from_db()
    assert order.packed


def test_a_job_is_sent_when_the_transaction_commits(shop: Infinitas, set_up: Any) -> None:
    from django.db import transaction

    from infinitas.django import send_on_commit

    pack = shop.tasks["pack"]
    with inline(shop) as jobs:
        with transaction.atomic():
            order = set_up.objects.create()
            send_on_commit(pack, order.pk)
            assert not jobs.all
        assert [job.state for job in jobs.of(pack)] == ["succeeded"]
        with transaction.atomic():
            send_on_commit(pack.using(headers={"a": "b"}), order.pk)
            transaction.set_rollback(True)
        with pytest.raises(BadArgs):
            send_on_commit(pack, "seven")
        assert len(jobs.all) == 1


def test_manage_py_has_the_command_line(servers: Urls, redis: object, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "infinitas", "sync", "--dry-run"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "INFINITAS_REDIS_URL": servers.redis},
        check=False,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stderr
    assert "+ task shop.pack" in ran.stdout
