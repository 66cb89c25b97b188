"""What the shop stores."""

from django.db import models


class Order(models.Model):  # type: ignore[misc]
    packed = models.BooleanField(default=False)
