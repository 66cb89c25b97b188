"""Tasks that go wrong in each way that opens an incident."""

import asyncio
import os
import signal

from infinitas import Infinitas

app = Infinitas()


@app.task(owner="sales", runbook="https://wiki.example.com/crm", redact=["token"])
def failing(customer: str, token: str) -> None:
    if customer == "bad":
        raise ValueError(f"no such customer, token {token}")


@app.task(timeout=0.2)
async def too_long(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.task
async def slow(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.task(queue="narrow")
async def backlog(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.task(queue="doomed", on_lost="fail")
async def at_most_once(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.task(queue="crashing")
def crash(really: bool) -> None:
    if really:
        os.kill(os.getpid(), signal.SIGKILL)


@app.task
async def punctual(seconds: float = 0.0) -> None:
    await asyncio.sleep(seconds)


@app.task(queue="elsewhere", no_processor="wait")
async def without_worker() -> None: ...
