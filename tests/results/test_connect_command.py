"""Other PortOne keys for a merchant: in use at once, and only for what is theirs."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils.timezone import now

from results.core.ids import encode
from results.models import Reconciliation
from tenants.models import Credential, Duty
from tenants.routing import inside
from tests.factories import Cast

Work = Callable[..., None]


def connect(cast: Cast, imp_key: str, imp_secret: str = "not-a-secret", **options: str) -> str:
    out = StringIO()
    named = {"merchant": encode("mer", cast.merchant.id), "mode": cast.mode}
    call_command("connect", imp_key=imp_key, imp_secret=imp_secret, stdout=out, **named, **options)
    return out.getvalue()


def test_new_keys_end_a_refusal_at_once(bakery: Cast, run_worker: Work) -> None:
    """What waited because the old keys were refused is asked and told as soon as there are new ones."""
    bakery.portone.set_account(bakery.imp_key, imp_secret="changed-in-the-console")
    bakery.portone.tokens.revoke(bakery.imp_key)
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid)
    run_worker(until=lambda: bakery.told() == ["account.credentials_invalid"])

    printed = connect(bakery, bakery.imp_key, "changed-in-the-console")
    run_worker(until=lambda: bakery.told("order-1") == ["payment.paid"])

    assert "bakery, live mode" in printed
    assert Credential.objects.get().refused_at is None


def test_another_account_is_read_from_now_on(bakery: Cast) -> None:
    """What happened in another account before is not told: its list is read from the moment it was connected."""
    before = now() - timedelta(days=30)
    Credential.objects.update(created_at=before)
    with inside(bakery.merchant.schema_name):
        Reconciliation.objects.create(mode="live", since=before, watermark=now())
    bakery.portone.add_account("another-key", "not-a-secret")

    connect(bakery, "another-key")

    assert bakery.rows(Reconciliation) == []
    assert Credential.objects.get().created_at > before
    assert Duty.objects.filter(kind="sweep").count() == 1


def test_a_new_secret_of_the_same_account_changes_nothing_else(bakery: Cast) -> None:
    """The list is read on from where it was when only the secret is new."""
    with inside(bakery.merchant.schema_name):
        Reconciliation.objects.create(mode="live", since=now(), watermark=now())
    since = Credential.objects.get().created_at

    connect(bakery, bakery.imp_key, "another-secret")

    assert len(bakery.rows(Reconciliation)) == 1
    assert Credential.objects.get().created_at == since


@pytest.mark.parametrize(
    ("options", "named"),
    [({"imp_key": "with space"}, "--imp-key"), ({"imp_secret": ""}, "--imp-secret"), ({"tier": "toolong"}, "--tier")],
)
def test_odd_keys_are_refused_by_name(bakery: Cast, options: dict[str, Any], named: str) -> None:
    """Keys that cannot be PortOne's are refused with the option's name, and the old ones stay."""
    kept = bytes(Credential.objects.get().imp_key)

    with pytest.raises(CommandError, match=named):
        connect(bakery, **{"imp_key": "another-key"} | options)

    assert bytes(Credential.objects.get().imp_key) == kept
