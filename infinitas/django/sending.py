"""Sends a job once the transaction of its sender has committed."""

from functools import partial
from typing import Any, ParamSpec

from django.db import transaction

from infinitas.tasks.sending import Sender

Send = ParamSpec("Send")


def send_on_commit(task: Sender[Send, Any], *args: Send.args, **kwargs: Send.kwargs) -> None:
    """`task.send(…)` when the current transaction commits; at once outside of one. A rollback sends none.

    The arguments are checked here, before the commit. `task` may be that of `using`:
    `send_on_commit(remind.using(delay=60), 7)`.

    Raises:
        BadArgs, PayloadTooLarge: as `send` does.
    """
    task.signature.encode(args, kwargs)
    transaction.on_commit(partial(task.send, *args, **kwargs))
