"""How many no-op jobs a second one worker drains, and what each costs; ours and a peer's in turn."""

import asyncio
import json
import time
from statistics import median

from ground import Ground, ground, tree_cpu, wait
from rivals import RIVALS, Rival
from stand import P, rss_mb

from infinitas.broker.connection import Connection
from infinitas.broker.messages import ClaimRequest, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.verdict import SUCCEEDED

COLUMNS = {
    "jobs/s": "{:,.0f}",
    "worker ms": "{:.0f}",
    "server ms": "{:.0f}",
    "commands": "{:.1f}",
    "bytes sent": "{:,.0f}",
    "bytes queued": "{:,.0f}",
    "bytes finished": "{:,.0f}",
    "RSS MB": "{:.0f}",
    "first job s": "{:.2f}",
    "single/s": "{:,.0f}",
    "bulk/s": "{:,.0f}",
}
"""Milliseconds of CPU are for 1,000 jobs; commands and bytes for one."""


def throughput(names: list[str], jobs: int, rounds: int, aof: bool, out: str | None) -> None:
    """Drain `jobs` with each rival, in turn, `rounds` times; print medians, spread and ratios to ours."""
    names = ["infinitas", *(name for name in names if name != "infinitas")]
    for name in names:
        if name != "floor":
            RIVALS[name].install()
    passes: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for n in range(rounds):
        for name in names:
            one = _floor(jobs, aof) if name == "floor" else drain(RIVALS[name], jobs, aof)
            passes[name].append(one)
            print(f"  round {n + 1}, {name}: {one['jobs/s']:,.0f} jobs/s", flush=True)
    print_table(passes)
    if out:
        with open(out, "w") as file:
            json.dump(passes, file, indent=1)


def print_table(passes: dict[str, list[dict[str, float]]]) -> None:
    ours = median(one["jobs/s"] for one in passes["infinitas"])
    print(f"\n| | {' | '.join(COLUMNS)} | spread | ours / theirs |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    for name, found in passes.items():
        cells = []
        for column, form in COLUMNS.items():
            values = [one[column] for one in found if column in one]
            cells.append(form.format(median(values)) if values else "–")
        rates = sorted(one["jobs/s"] for one in found)
        spread = f"{rates[0]:,.0f}–{rates[-1]:,.0f}"
        print(f"| {name} | {' | '.join(cells)} | {spread} | {ours / median(rates):.1f} |")


def drain(rival: Rival, jobs: int, aof: bool) -> dict[str, float]:
    """One pass: send, then start a worker, and measure from its first job to its last."""
    count = round(jobs * rival.share)
    with ground(rival, aof=aof) as on:
        singles, empty = min(count, 2_000), on.memory()
        single = on.send(rival, "single", singles)
        before = on.memory()
        sent = on.send(rival, rival.how, count)
        queued = (on.memory() - before) / count
        total = count + singles
        started = time.monotonic()
        with on.worker(rival) as worker:
            wait(lambda: on.marks.read()[0], 60, 0.001)
            cpu, server, traffic = tree_cpu(worker.pid), on.server_cpu(), on.commands()
            done = on.marks.read()[0]
            wait(lambda: on.marks.read()[0] >= total, 600)
            wait(_quiet(on), 10, 0.02)
            ran, first, last = on.marks.read()
            cpu, server = tree_cpu(worker.pid) - cpu, on.server_cpu() - server
            commands, size = (after - b for after, b in zip(on.commands(), traffic, strict=True))
            memory = rss_mb(worker.pid)
        # An archiver would have trimmed what it has recorded.
        on.redis.xtrim(f"{P}events", maxlen=0, approximate=False)
        finished = (on.memory() - empty) / total
    left = ran - done
    return {
        "jobs/s": ran / (last - first),
        "worker ms": cpu / left * 1e6,
        "server ms": server / left * 1e6,
        "commands": commands / left,
        "bytes sent": size / left,
        "bytes queued": queued,
        "bytes finished": finished,
        "RSS MB": memory,
        "first job s": first - started,
        "single/s": singles / single["seconds"],
        "bulk/s": count / sent["seconds"],
    }


def _quiet(on: Ground) -> "object":
    """What is still to be settled after the last run is part of the cost."""
    seen = [0.0]

    def look() -> bool:
        before, seen[0] = seen[0], on.server_cpu()
        return before == seen[0]

    return look


def _floor(jobs: int, aof: bool) -> dict[str, float]:
    """The bare scripts by hand: claim a batch, settle it, nothing else; two batches at once."""
    with ground(RIVALS["infinitas"], aof=aof) as on:
        on.send(RIVALS["infinitas"], "bulk", jobs)
        return asyncio.run(_claim_and_settle(on, jobs))


async def _claim_and_settle(on: Ground, jobs: int) -> dict[str, float]:
    connections = [Connection(on.url, "floor") for _ in range(2)]
    await QueueBroker(connections[0], "default").workers.join("floor", ["noop"], 60)
    used, own, began = on.server_cpu(), time.process_time(), time.monotonic()
    traffic = on.commands()

    async def lane(connection: Connection) -> int:
        broker, done = QueueBroker(connection, "default"), 0
        while jobs := (await broker.jobs.claim(ClaimRequest("floor", [["noop"]], 50, 3600))).jobs:
            ends = [Settlement(job=j.id, attempt=j.attempt, verdict=SUCCEEDED, ttl_s=3600) for j in jobs]
            await broker.jobs.settle("floor", ends)
            done += len(jobs)
        return done

    done = sum(await asyncio.gather(*map(lane, connections)))
    took, own = time.monotonic() - began, time.process_time() - own
    commands, size = (after - b for after, b in zip(on.commands(), traffic, strict=True))
    for connection in connections:
        await connection.close()
    return {
        "jobs/s": done / took,
        "worker ms": own / done * 1e6,
        "server ms": (on.server_cpu() - used) / done * 1e6,
        "commands": commands / done,
        "bytes sent": size / done,
    }
