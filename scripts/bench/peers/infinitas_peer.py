"""Infinitas, under the same conditions as its peers."""

import marks

from infinitas import Infinitas

app = Infinitas()


@app.task
async def noop() -> None:
    marks.mark()


@app.task
def noop_in_a_thread() -> None:
    marks.mark()


@app.task
async def delay(sent: float) -> None:
    marks.delay(sent)


def prepare() -> None:
    noop.send()


def single(count: int) -> None:
    for _ in range(count):
        noop.send()


def bulk(count: int) -> None:
    noop.send_many([()] * count)


def threads(count: int) -> None:
    noop_in_a_thread.send_many([()] * count)


def send_delay(sent: float) -> None:
    delay.send(sent)
