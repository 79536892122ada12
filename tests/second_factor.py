"""The app on a person's phone that shows codes."""

from allauth.mfa.totp.internal.auth import hotp_value, yield_hotp_counters_from_time


def current_code(secret: str) -> str:
    """Return what the app shows now."""
    counter = next(iter(yield_hotp_counters_from_time()))
    return f"{hotp_value(secret, counter):06}"
