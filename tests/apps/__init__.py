"""Apps and programs that tests launch."""
