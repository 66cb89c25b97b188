"""The page for people: its files, and their routes."""
