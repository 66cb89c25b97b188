"""All examples in one app: `infinitas dev workers.demo:app`, or simply `scripts/demo`."""

from workers import crawler, orders, photos, reminders
from workers.app import app

__all__ = ["app", "crawler", "orders", "photos", "reminders"]
