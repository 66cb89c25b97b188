"""Rendering of notices: JSON for webhooks, a short form for chat, a long one for mail. Reads nothing."""
