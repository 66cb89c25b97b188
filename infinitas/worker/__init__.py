"""The worker process: takes jobs, runs them, settles them."""
