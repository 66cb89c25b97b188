"""Which errors mean that a value can't be stored, and which that Postgres can't be used now."""

import psycopg

# 21 one row twice, 22 data, 23 constraints, 54 too large for an index or too deep.
_OF_THE_DATA = ("21", "22", "23", "54")
_UNIQUE = "23505"


def is_of_the_data(error: BaseException) -> bool:
    """Whether the same statement would succeed with other values. False for an outage."""
    if not isinstance(error, psycopg.Error):
        # The driver could not write a value, or a time is out of range.
        return isinstance(error, (ValueError, ArithmeticError))
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)
    # All our inserts allow for existing rows: a duplicate key means two processes created the same thing.
    return error.sqlstate.startswith(_OF_THE_DATA) and error.sqlstate != _UNIQUE
