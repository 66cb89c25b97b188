"""An app that knows one more task than `jobs`."""

from infinitas import Infinitas

app = Infinitas()


@app.task
async def noop() -> None: ...


@app.task
async def special() -> None: ...
