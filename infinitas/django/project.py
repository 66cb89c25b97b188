"""The app of a Django project, made of the setting `INFINITAS`."""

from functools import cache
from typing import Any

import django
from django.apps import apps
from django.conf import settings

from infinitas.app.app import Infinitas
from infinitas.core.errors import ConfigError
from infinitas.django.connections import DjangoConnections


@cache
def project_app() -> Infinitas:
    """The one app of this process. Raises ConfigError: the setting is no dict, or has a wrong option."""
    # Outside of manage.py, as in `infinitas worker infinitas.django:app`, Django is not set up yet.
    if not apps.apps_ready and not apps.loading:
        django.setup()
    given: Any = getattr(settings, "INFINITAS", {})
    if not isinstance(given, dict):
        raise ConfigError("The Django setting INFINITAS is a dict: the arguments of Infinitas(…).")
    options = dict(given)
    plugins = [DjangoConnections(), *options.pop("plugins", ())]
    return Infinitas(options.pop("name", None), plugins=plugins, **options)
