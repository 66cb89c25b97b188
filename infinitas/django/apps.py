"""The Django app `infinitas.django`."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from infinitas.app.modules import TASKS


class InfinitasConfig(AppConfig):  # type: ignore[misc]
    """Imports the module `tasks` of each installed app."""

    name = "infinitas.django"
    label = "infinitas"
    verbose_name = "Infinitas"

    def ready(self) -> None:
        autodiscover_modules(TASKS)
