"""WebSockets: remote workers in any language, and events for pages."""
