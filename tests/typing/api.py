"""Type-checked with the rest (never run): what a user's checker sees of the public API."""

from datetime import UTC, datetime
from typing import Any, assert_type

from infinitas import Handle, Infinitas, Job, JobInfo, TaskInfo, every, gather

app = Infinitas()


class User:
    """Not a type of JSON."""


@app.task
def add(a: int, b: int = 2) -> int:
    return a + b


@app.task(schedule=every(hours=1), timeout=3)
async def crawl(job: Job, url: str) -> None: ...


@app.task
def find(name: str) -> User:
    return User()


@app.task
async def find_all() -> list[User]:
    return []


@app.task
def untyped(x):  # type: ignore[no-untyped-def]
    return x


assert_type(find.send("Ann").get(), User)
assert_type(find_all.using(delay=1).send().get(), list[User])
assert_type(untyped.send(1).get(), Any)
assert_type(app.rerun("id").get(), Any)
assert_type(add(1, b=3), int)
assert_type(add.send(1), Handle[int])
assert_type(add.using(key="k").send(1), Handle[int])
assert_type(add.send(1).get(), int)
assert_type(crawl.send("https://example.com"), Handle[None])
assert_type(app.fetch_task("add"), TaskInfo)
assert_type(app.fetch_job("x"), JobInfo)
app.schedule(add, at=datetime.now(UTC), key="k", args=(1,))
add.send("one")  # type: ignore[arg-type]
crawl.send()  # type: ignore[call-arg]
assert_type(app.task(find, name="other", retries=2).send("Ann").get(), User)
assert_type(app.task(find_all.function, timeout=5).send(), Handle[list[User]])
app.task(find, retires=2)  # type: ignore[call-overload]
app.task(max_retries=2)  # type: ignore[call-overload]
add.using(countdown=5)  # type: ignore[arg-type]
Infinitas(broker="redis://x")  # type: ignore[call-arg]
Infinitas("shop", timezone="Europe/Copenhagen", timeout=60, retries=3)
Infinitas(timeout="long")  # type: ignore[arg-type]
assert_type(gather([add.send(1, 2)]), list[int])
assert_type(add.send(1, 2).done(), bool)
