"""Which errors speak of a value that can't be stored, and which of a Postgres that can't be used now."""

import psycopg

# 21 one row twice, 22 data, 23 constraints, 54 too large for an index or too deep.
_OF_THE_DATA = ("21", "22", "23", "54")
_UNIQUE = "23505"


def is_of_the_data(error: BaseException) -> bool:
    """Whether the same statement would be taken with other values. An outage is never that."""
    if not isinstance(error, psycopg.Error):
        # Values that the driver could not write, or that are no moment.
        return isinstance(error, (ValueError, ArithmeticError))
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)
    # All our inserts expect what is there already: a double key is two processes that make the same thing.
    return error.sqlstate.startswith(_OF_THE_DATA) and error.sqlstate != _UNIQUE
