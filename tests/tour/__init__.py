"""Read these in order: they teach the product."""
