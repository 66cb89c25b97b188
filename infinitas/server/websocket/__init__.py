"""WebSockets: workers in any language, and feeds for pages."""
