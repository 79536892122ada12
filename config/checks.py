"""What must be right before Paywitness starts. Each message names the setting and the mend."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from tenants.encryption import KeyRing

SHORTEST_SECRET = 32


@register()
def check_key_ring(**_: Any) -> list[Error]:
    """The key ring can be read."""
    try:
        KeyRing.from_text(settings.SEALING_KEYS)
    except ValueError as error:
        return [
            Error(
                f"SEALING_KEYS: {error}.",
                hint="id:base64 of 32 random bytes, newest first",
                id="paywitness.E001",
            )
        ]
    return []


@register()
def check_production(**_: Any) -> list[Error]:
    """In production nothing is generated, embedded or opened."""
    if settings.DEVELOPMENT:
        return []
    wrong = [
        (settings.EMBEDDED_DATABASE, "DATABASE_URL is missing.", "postgresql://user:password@host/name"),
        (settings.SECRET_KEY == settings.GENERATED_SECRET, "SECRET_KEY is missing.", "50 random characters"),
        (len(settings.SECRET_KEY) < SHORTEST_SECRET, "SECRET_KEY is too short to be one.", "50 random characters"),
        (settings.GENERATED_SEALING_KEYS, "SEALING_KEYS is missing.", "id:base64 of 32 random bytes"),
        (
            bool(settings.CALLBACK_ALLOWED_NETWORKS),
            "CALLBACK_ALLOWED_NETWORKS opens inner networks.",
            "unset it",
        ),
        (settings.DEBUG, "DEBUG is on.", "unset it: it works in development only"),
        (
            not settings.PUBLIC_URL.startswith("https://"),
            "PUBLIC_URL is not https.",
            "https://pay.example.com",
        ),
        (
            not settings.RESULT_URL.startswith("https://"),
            "RESULT_URL is not https.",
            "https://pay.example.com",
        ),
        (
            not settings.PORTONE_V1_URL.startswith("https://"),
            "PORTONE_V1_URL is not https.",
            "leave it unset",
        ),
    ]
    return [
        Error(message, hint=f"{hint}; or set ENVIRONMENT=development", id=f"paywitness.E{100 + number}")
        for number, (is_wrong, message, hint) in enumerate(wrong)
        if is_wrong
    ]
