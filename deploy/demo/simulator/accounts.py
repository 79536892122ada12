"""Who may ask, and with which token?

Token rules of PortOne's V1 guide: 30 minutes; asking again gives the same token; in its last minute it is
extended by 5.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Encoding = Literal["json", "json-charset", "form"]

LIFETIME = timedelta(minutes=30)
LAST_MINUTE = timedelta(minutes=1)
EXTENSION = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One customer of PortOne, as its console shows it, with the demo's switches.

    `notice_url` hears of live payments and `test_notice_url` of sandbox ones; a sub-store (tier) may have its
    own. Delay and `visible_after` are seconds.
    """

    imp_key: str
    imp_secret: str = field(repr=False)
    user_code: str = "imp00000000"
    notice_url: str = ""
    test_notice_url: str = ""
    tiers: dict[str, str] = field(default_factory=dict)
    tier_notice_urls: dict[str, str] = field(default_factory=dict)
    encoding: Encoding = "json"
    webhooks_lost: bool = False
    webhook_copies: int = 1
    webhook_delay: float = 0.0
    webhooks_held: bool = False
    hides_sandbox: bool = True
    visible_after: float = 0.0

    def notice_url_for(self, *, sandbox: bool, tier: str | None) -> str:
        own = self.tier_notice_urls.get(tier or "", "")
        return own or (self.test_notice_url if sandbox else self.notice_url)


@dataclass(frozen=True, slots=True)
class Token:
    """A key to the API for one account, good until it expires."""

    value: str = field(repr=False)
    imp_key: str
    expires_at: datetime


class Tokens:
    """The tokens in use, one per account."""

    def __init__(self) -> None:
        self._by_account: dict[str, Token] = {}
        self._by_value: dict[str, Token] = {}
        self._issued = 0

    def issue(self, imp_key: str, *, at: datetime) -> Token:
        token = self._by_account.get(imp_key)
        if token is None or token.expires_at <= at:
            return self._keep(Token(self._next_value(imp_key), imp_key, at + LIFETIME))
        if token.expires_at - at < LAST_MINUTE:
            return self._keep(Token(token.value, imp_key, token.expires_at + EXTENSION))
        return token

    def owner(self, value: str, *, at: datetime) -> str | None:
        """Return the account that this token opens, or None when it is unknown or expired."""
        token = self._by_value.get(value)
        return token.imp_key if token and at < token.expires_at else None

    def revoke(self, imp_key: str) -> None:
        token = self._by_account.pop(imp_key, None)
        if token:
            self._by_value.pop(token.value, None)

    def _keep(self, token: Token) -> Token:
        self._by_account[token.imp_key] = self._by_value[token.value] = token
        return token

    def _next_value(self, imp_key: str) -> str:
        self._issued += 1
        return hashlib.sha1(f"{imp_key}:{self._issued}".encode(), usedforsecurity=False).hexdigest()
