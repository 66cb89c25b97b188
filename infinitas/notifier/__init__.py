"""The notifier process: opens and closes incidents, and sends their messages to channels."""
