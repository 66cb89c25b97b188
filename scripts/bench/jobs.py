"""The app that the benchmarks drive."""

from infinitas import Infinitas

app = Infinitas()


@app.task(no_processor="wait")
async def noop() -> None: ...
