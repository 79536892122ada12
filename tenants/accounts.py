"""How allauth's accounts meet ours: mail goes through the queue, seeds of second factors are sealed."""

from datetime import UTC, datetime
from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.utils.translation import gettext_lazy as _

from config.pages import is_ours
from tenants.account_mail import LETTERS, owe_letter
from tenants.factors import open_seed, seal_seed
from tenants.models import User

NOBODYS_PASSWORD: Final = "a password of nobody"


# What nobody can come back to. Attempts are counted in the cache, whose table is only as fast as it is small.
FORGOTTEN: Final = (
    "DELETE FROM django_session WHERE expire_date < now()",
    "DELETE FROM usersessions_usersession AS seen"
    " WHERE NOT EXISTS (SELECT FROM django_session AS kept WHERE kept.session_key = seen.session_key)",
    "DELETE FROM tenants_cache WHERE expires < now()",
)


def forget_sessions() -> None:
    """Remove sessions and counts of attempts that have ended. For the public schema, now and then."""
    with connection.cursor() as cursor:
        for statement in FORGOTTEN:
            cursor.execute(statement)


class AccountAdapter(DefaultAccountAdapter):
    """Accounts by e-mail address."""

    # Of wrong passwords and codes an address may try ten in a minute and an account five in five (allauth's default).
    error_messages = DefaultAccountAdapter.error_messages | {
        "too_many_login_attempts": _("Too many attempts. Wait five minutes, then try again."),
        "rate_limited": _("Too many attempts. Wait five minutes, then try again."),
    }

    def new_user(self, request: Any) -> User:
        """Return a person to be filled in and saved."""
        return User(created_at=datetime.now(UTC))

    def populate_username(self, request: Any, user: Any) -> None:
        """Leave the name out: people are known by their address."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Owe the letter; what it leads to is made when it is sent, so the keys in `context` are let go."""
        owe_letter(LETTERS[template_prefix], email, context.get("user"))

    def send_account_already_exists_mail(self, email: str) -> None:
        """Owe the letter; hash a password as a new account's is, or the time of the answer would tell."""
        make_password(NOBODYS_PASSWORD)
        super().send_account_already_exists_mail(email)

    def is_safe_url(self, url: str | None) -> bool:
        """Lead on to our own pages only."""
        return is_ours(url)


class MfaAdapter(DefaultMFAAdapter):
    """Second factors."""

    def encrypt(self, text: str) -> str:
        return seal_seed(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the seed, or raise SealingKeyMissing or SealBroken."""
        return open_seed(encrypted_text)
