"""Archive old rows of a Postgres table into an archive table, at an interval."""

import random
from datetime import timedelta

import psycopg

from infinitas import every
from workers.app import app, database_url

TABLES = """
CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    total_cents integer NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS archived_orders (LIKE orders, archived_at timestamptz NOT NULL DEFAULT now());
"""
# One statement moves the rows: a kill between delete and insert can lose nothing.
MOVE = """
WITH moved AS (
    DELETE FROM orders WHERE placed_at < now() - %(age)s RETURNING id, customer, total_cents, placed_at
)
INSERT INTO archived_orders (id, customer, total_cents, placed_at) SELECT * FROM moved
"""
CUSTOMERS = ("Ada", "Grace", "Edsger", "Barbara", "Tony", "Frances")


@app.task(schedule=every(seconds=5), timeout=60)
def archive_orders(older_than_seconds: float = 10) -> dict[str, int]:
    """Move orders older than ten seconds (in life: 90 days) out of the busy table."""
    with psycopg.connect(database_url()) as connection:
        connection.execute(TABLES)
        moved = connection.execute(MOVE, {"age": timedelta(seconds=older_than_seconds)}).rowcount
    return {"moved": moved}


@app.task(schedule=every(seconds=2))
def place_orders(count: int = 3) -> dict[str, int]:
    """What a shop's customers would do: the demo needs some orders to archive."""
    with psycopg.connect(database_url()) as connection:
        connection.execute(TABLES)
        for _ in range(count):
            order = random.choice(CUSTOMERS), random.randint(500, 50_000)
            connection.execute("INSERT INTO orders (customer, total_cents) VALUES (%s, %s)", order)
    return {"placed": count}
