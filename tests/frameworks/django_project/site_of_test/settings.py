"""A small Django project."""

import os
from pathlib import Path

SECRET_KEY = "of a test"
INSTALLED_APPS = ["infinitas.django", "shop_of_test"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(os.environ.get("SHOP_DATABASE", ":memory:")),
        "CONN_MAX_AGE": 0,
    }
}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INFINITAS = {"name": "shop", "retries": 2}
