"""The scheduler process: fires due slots and promotes waiting jobs. Any number may run."""
