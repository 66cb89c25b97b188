"""What `infinitas conformance` tries a client with, in Python."""

import asyncio

from infinitas import Infinitas

app = Infinitas()


@app.task(name="conformance.echo")
async def echo(*args: object) -> object:
    return args


@app.task(name="conformance.fail")
async def fail() -> None:
    raise ValueError("as asked")


@app.task(name="conformance.wait")
async def wait() -> None:
    await asyncio.sleep(600)
