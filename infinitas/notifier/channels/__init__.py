"""Channels: each sends a rendered notice to one place outside."""
