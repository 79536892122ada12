"""Do the steps towards the first payment: enter keys that PortOne takes, note what was pasted, make an order to try."""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from results.connect import connect_account
from results.core.money import Money
from results.models import Setup
from results.portone import Access, Channel, account_of, open_access
from results.publish import register_order
from results.reconcile import ensure_sweeps
from results.steps import TEST_AMOUNT, TEST_NAME
from results.try_keys import KeysNotTaken, KeysTaken, try_keys
from tenants.fields import new_id
from tenants.models import AuditEntry, Credential
from tenants.routing import Route, inside

TEST_ORDER_LIVES: Final = timedelta(days=1)


class NotInLiveMode(Exception):
    """An order to try with is made in test mode only: in live mode it would cost real money."""


def enter_keys(
    route: Route, *, imp_key: str, imp_secret: str, tier: str, user_code: str | None, actor: str, at: datetime
) -> KeysTaken | KeysNotTaken:
    """Try the keys and, if PortOne takes them, keep them sealed in place of those there were.

    Without a `user_code` the one that is noted stays, unless the keys are another account's.
    """
    account = account_of(imp_key, tier)
    tried = try_keys(Access(new_id(), imp_key, imp_secret, tier, account=account))
    if isinstance(tried, KeysNotTaken):
        return tried
    with transaction.atomic():
        same = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode, account=account).exists()
        connect_account(route, imp_key=imp_key, imp_secret=imp_secret, tier=tier, actor=actor, at=at)
        known = {} if user_code is None and same else {"user_code": user_code or ""}
        _note(route, **known, **_listed(tried.channels, at=at))
    with inside("public"):
        ensure_sweeps()
    return tried


def read_channels_again(route: Route, *, at: datetime) -> KeysTaken | KeysNotTaken | None:
    """Ask PortOne once more with the keys that are kept; None when there are none. Changes no key.

    A token that they bought before is not used: it outlives keys that were taken back.
    """
    credential = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode).first()
    if credential is None:
        return None
    tried = try_keys(replace(open_access(credential, route.open_vault()), token=None, token_expires_at=None))
    if isinstance(tried, KeysTaken) and tried.channels is not None:
        _note(route, **_listed(tried.channels, at=at))
    return tried


def note_urls_pasted(route: Route, *, actor: str, at: datetime) -> None:
    """Note that a member said our URLs are in PortOne's console. Whether they are shows when something comes in."""
    with transaction.atomic():
        _note(route, urls_pasted_at=at)
        _audit(route, "setup.urls_pasted", actor=actor, at=at)


def make_test_order(route: Route, *, actor: str, at: datetime) -> str:
    """Register an order of a thousand won to be paid through the test channel; raise NotInLiveMode."""
    if route.livemode:
        raise NotInLiveMode
    order = f"pw-test-{secrets.token_hex(4)}"
    money, ends = Money(TEST_AMOUNT, "KRW", 0), at + TEST_ORDER_LIVES
    with transaction.atomic():
        register_order(route, merchant_uid=order, money=money, at=at, expires_at=ends, name=TEST_NAME)
        _note(route, test_order=order, test_order_at=at)
        _audit(route, "setup.test_order", actor=actor, at=at, order=order)
    return order


def _listed(channels: tuple[Channel, ...] | None, *, at: datetime) -> dict[str, Any]:
    # Another account's channels are not kept: a snippet with them would open the wrong shop's window.
    listed = None if channels is None else [channel.as_json() for channel in channels]
    return {"channels": listed, "channels_read_at": at if channels is not None else None}


def _note(route: Route, **columns: Any) -> None:
    Setup.objects.update_or_create(mode=route.mode, defaults=columns)


def _audit(route: Route, action: str, *, actor: str, at: datetime, **detail: Any) -> None:
    AuditEntry.objects.create(
        merchant_id=route.merchant_id,
        at=at,
        actor=actor,
        action=action,
        subject=route.mode,
        detail={"mode": route.mode} | detail,
    )
