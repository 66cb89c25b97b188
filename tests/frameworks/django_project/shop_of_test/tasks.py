"""Found by its name."""

from infinitas.django import app
from shop_of_test.models import Order  # type: ignore[import-not-found]


@app.task(timeout=30)
def pack(number: int) -> bool:
    order = Order.objects.get(pk=number)
    order.packed = True
    order.save()
    return bool(order.packed)
