"""Read-only views of the live state, by noun, for the client and the CLI."""
