"""All history, in Postgres: the only package that imports the Postgres driver."""
