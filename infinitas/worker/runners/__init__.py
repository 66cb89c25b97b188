"""Ways to run a processor: in the event loop, in a thread, or in its own process."""
