"""Django in a test process: set up once, with the project of tests/frameworks."""

import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

PROJECT = Path(__file__).parent / "frameworks" / "django_project"


def set_up_django() -> None:
    """All tests share it, since Django has one set of settings a process."""
    import django
    from django.apps import apps

    if apps.ready:
        return
    sys.path.append(str(PROJECT))
    database = Path(tempfile.mkdtemp(prefix="infinitas-test-")) / "shop.sqlite"
    # Only now: processes that a test starts must not inherit them.
    with mock.patch.dict(
        os.environ, DJANGO_SETTINGS_MODULE="site_of_test.settings", SHOP_DATABASE=str(database)
    ):
        django.setup()
