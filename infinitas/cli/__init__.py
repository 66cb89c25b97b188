"""The command line: `infinitas`, also `python -m infinitas`."""
