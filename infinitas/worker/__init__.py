"""The worker process: claims jobs, runs them, settles them."""
