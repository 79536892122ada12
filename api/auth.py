"""Who asks? An API key opens one merchant and mode; it is compared as a digest, never kept."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Q
from django.http import HttpRequest
from ninja.security import HttpBearer

from tenants.models import ApiKey
from tenants.models.keys import digest_of
from tenants.routing import Route, find_mode

USE_NOTED_EVERY: Final = timedelta(minutes=1)


class KeyAuth(HttpBearer):
    """Bearer authentication; the result is the merchant and mode that the key opens."""

    def authenticate(self, request: HttpRequest, token: str) -> Route | None:
        at = datetime.now(UTC)
        prefix, _, secret = token.rpartition("_")
        if not secret or not token.isascii() or "\x00" in token:
            return None
        key = ApiKey.objects.filter(prefix=prefix, revoked_at=None).first()
        if key is None or not hmac.compare_digest(bytes(key.digest), digest_of(token)):
            return None
        note_use(key, at=at)
        return find_mode(key.merchant_id, key.mode)


def note_use(key: ApiKey, *, at: datetime) -> None:
    """Note that the key was used, at most once a minute, so that reading costs no write."""
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=at - USE_NOTED_EVERY)
    if key.last_used_at is None or key.last_used_at < at - USE_NOTED_EVERY:
        ApiKey.objects.filter(long_ago, id=key.id).update(last_used_at=at)
