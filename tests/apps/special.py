"""An app that knows one more task than `jobs`."""

from infinitas import Infinitas
from tests.apps import jobs

app = Infinitas()


noop = app.task(jobs.noop.function)


@app.task
async def special() -> None: ...
