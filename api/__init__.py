"""The merchant's REST API, and only that."""
