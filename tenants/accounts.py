"""How allauth's accounts meet ours: mail goes through the queue, seeds of second factors are sealed."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.account_mail import LETTERS, owe_letter
from tenants.factors import open_seed, seal_seed
from tenants.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Accounts by e-mail address."""

    def new_user(self, request: Any) -> User:
        """Return a person to be filled in and saved."""
        return User(created_at=datetime.now(UTC))

    def populate_username(self, request: Any, user: Any) -> None:
        """Leave the name out: people are known by their address."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Owe the letter; what it leads to is made when it is sent, so the keys in `context` are let go."""
        owe_letter(LETTERS[template_prefix], email, context.get("user"))

    def is_safe_url(self, url: str | None) -> bool:
        """Lead on to our own pages only. Any Host header is served here, so none of them makes an address safe."""
        host = urlsplit(settings.PUBLIC_URL).netloc
        return url_has_allowed_host_and_scheme(url, allowed_hosts={host}, require_https=settings.SECURE_COOKIES)


class MfaAdapter(DefaultMFAAdapter):
    """Second factors."""

    def encrypt(self, text: str) -> str:
        return seal_seed(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the seed, or raise SealingKeyMissing or SealBroken."""
        return open_seed(encrypted_text)
