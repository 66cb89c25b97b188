"""Infinitas: a no-op task whose jobs may wait for a worker; for the benches of schedulers and the server."""

from infinitas import Infinitas

app = Infinitas()


@app.task(no_processor="wait")
async def noop() -> None: ...
