"""The environment of every test, set before the settings are read."""

import os

os.environ.setdefault("ENVIRONMENT", "development")
os.environ.setdefault("CALLBACK_ALLOWED_NETWORKS", "127.0.0.0/8")
os.environ.setdefault("CLAIM_DELAY", "200ms")
os.environ.setdefault("LOG_LEVEL", "WARNING")
# Browser tests drive Playwright's loop in the test's own thread, beside fixtures that use the database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
