"""The app that the example workers share."""

import os

from infinitas import Infinitas

app = Infinitas()


def database_url() -> str:
    """The Postgres that holds the shop's orders: here simply the one that Infinitas archives to."""
    url = os.environ.get("ORDERS_URL") or app.settings.postgres_url
    if not url:
        raise RuntimeError("Set ORDERS_URL to the Postgres that holds the orders.")
    return url
