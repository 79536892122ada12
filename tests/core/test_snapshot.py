"""What is kept of PortOne's answer can be read back, now and after a change of version."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.snapshot import Cancellation, Card, Snapshot, VirtualAccount

AT = datetime(2026, 11, 20, 5, 12, 44, 102_003, tzinfo=UTC)
TEXTS = st.text(max_size=8)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))
AMOUNTS = st.decimals(min_value=0, allow_nan=False, allow_infinity=False)
CARDS = st.builds(Card, **dict.fromkeys(("code", "name", "issuer_code", "number"), st.none() | TEXTS), kind=TEXTS)
ACCOUNTS = st.builds(VirtualAccount, number=TEXTS, issued_at=st.none() | MOMENTS, expires_at=st.none() | MOMENTS)
CANCELLATIONS = st.builds(Cancellation, id=TEXTS, amount=AMOUNTS, cancelled_at=st.none() | MOMENTS)
SNAPSHOTS = st.builds(
    Snapshot,
    amount=AMOUNTS,
    cancel_amount=AMOUNTS,
    asked_at=MOMENTS,
    card=st.none() | CARDS,
    virtual_account=st.none() | ACCOUNTS,
    cancellations=st.lists(CANCELLATIONS, max_size=3).map(tuple),
    **dict.fromkeys(("started_at", "paid_at", "failed_at", "cancelled_at"), st.none() | MOMENTS),
)
FULL = Snapshot(
    imp_uid="imp_448280090638",
    merchant_uid="order-1",
    status="cancelled",
    amount=Decimal("14.20"),
    cancel_amount=Decimal("4.10"),
    currency="USD",
    sandbox=False,
    asked_at=AT,
    paid_at=AT,
    card=Card("381", None, None, None, "400000******0002", "0", 0, None),
    virtual_account=VirtualAccount("088", None, "562-100-984", None, AT, None),
    cancellations=(Cancellation("c-1", Decimal("4.10"), None, None, AT, None),),
)


def through_json(kept: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(kept))
    return read


@given(SNAPSHOTS)
def test_every_snapshot_can_be_read_back(snapshot: Snapshot) -> None:
    """What is kept is plain JSON and reads back as the same snapshot."""
    assert Snapshot.from_json(through_json(snapshot.as_json())) == snapshot


def test_amounts_are_kept_as_text() -> None:
    """An amount is kept digit by digit, so that no float comes near it."""
    kept = through_json(FULL.as_json())

    assert (kept["amount"], kept["cancel_amount"]) == ("14.20", "4.10")
    assert kept["cancellations"][0]["amount"] == "4.10"


def test_times_are_kept_to_the_microsecond() -> None:
    """Snapshots are ordered by when we asked, so nothing of that moment is lost."""
    assert FULL.as_json()["asked_at"] == "2026-11-20T05:12:44.102003+00:00"


OPTIONAL = [field.name for field in fields(Snapshot)][8:]


@pytest.mark.parametrize("missing", OPTIONAL)
def test_older_json_with_fewer_fields_still_reads(missing: str) -> None:
    """What a version wrote that did not know a field reads back without it."""
    kept = through_json(FULL.as_json())
    del kept[missing]

    read = Snapshot.from_json(kept)

    assert read == replace(FULL, **{missing: () if missing == "cancellations" else None})


def test_oldest_json_has_only_what_portone_requires() -> None:
    """The eight fields without which there is no snapshot are enough."""
    kept = {name: value for name, value in through_json(FULL.as_json()).items() if name not in OPTIONAL}

    read = Snapshot.from_json(kept)

    assert (read.imp_uid, read.amount, read.asked_at) == ("imp_448280090638", Decimal("14.20"), AT)
    assert (read.card, read.virtual_account, read.cancellations) == (None, None, ())


@pytest.mark.parametrize("part", ["", "card", "virtual_account", "cancellations"])
def test_json_of_a_newer_version_reads_too(part: str) -> None:
    """While two versions run side by side, fields that this one does not know are passed over."""
    kept = through_json(FULL.as_json())
    inside = kept[part] if part else kept
    (inside[0] if part == "cancellations" else inside)["brand_new"] = "something"

    assert Snapshot.from_json(kept) == FULL
