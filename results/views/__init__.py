"""The doors: read, record, answer."""
