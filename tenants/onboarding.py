"""How a merchant comes to be: its rows first, then its schema, outside any transaction, as often as it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.db import connection, transaction

from tenants.fields import Mode, new_id
from tenants.jobs import enqueue
from tenants.models import (
    ApiKey,
    AuditEntry,
    Membership,
    Merchant,
    MerchantKey,
    MerchantMode,
    RouteKey,
    User,
)
from tenants.models.keys import new_api_key
from tenants.models.merchant import ConfirmPolicy, Policy, schema_name_for
from tenants.models.route_key import new_route_key
from tenants.routing import forget_route
from tenants.schemas import make_schema
from tenants.sealing import new_wrapped_data_key, open_vault

log = structlog.get_logger()

STEP: Final = "provision_merchant"
ROTATED_KEY_WORKS: Final = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class NewKeys:
    """What is shown once when a mode is opened: the keys in clear."""

    api_key: str = field(repr=False)
    return_key: str = field(repr=False)
    order_key: str = field(repr=False)


def register_merchant(*, name: str, owner_email: str, language: str = "", actor: str, at: datetime) -> Merchant:
    """Write a merchant down with both modes, their route keys and an owner. Its schema comes with `provision`."""
    id_ = new_id()
    with transaction.atomic():
        merchant = Merchant.objects.create(
            id=id_,
            schema_name=schema_name_for(id_),
            name=name,
            language=language,
            data_key=new_wrapped_data_key(id_),
            created_at=at,
        )
        for mode in Mode.values:
            MerchantMode.objects.create(merchant=merchant, mode=mode)
            for kind in RouteKey.Kind.values:
                RouteKey.objects.create(merchant=merchant, mode=mode, kind=kind, key=new_route_key(kind), created_at=at)
        user = User.objects.filter(email=owner_email.strip().lower()).first()
        user = user or User.objects.create_user(owner_email, created_at=at)
        Membership.objects.create(merchant=merchant, user=user, role=Membership.Role.OWNER, created_at=at)
        AuditEntry.objects.create(merchant=merchant, at=at, actor=actor, action="merchant.registered", subject=name)
    return merchant


def provision(merchant: Merchant, *, at: datetime) -> Merchant:
    """Make a merchant's schema and bring it to date; may be called again after any failure.

    Runs outside a transaction, because a failed migration inside one hides its own error: RuntimeError otherwise.
    Two callers at once wait for each other.
    """
    if connection.in_atomic_block:
        raise RuntimeError("provision a merchant outside any transaction, after its rows are committed")
    with _alone_with(merchant.schema_name):
        merchant.refresh_from_db()
        if merchant.state != Merchant.State.READY:
            _make_schema(merchant, at=at)
    return merchant


@contextmanager
def _alone_with(schema: str) -> Iterator[None]:
    """Hold an advisory lock on a connection of its own: migrating closes Django's, and its locks with it."""
    keeper = connection.copy()
    try:
        with keeper.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [schema])
        yield
    finally:
        keeper.close()


def provision_unfinished() -> None:
    """Finish what a crash or a fault left half-way; each failure is kept on its merchant."""
    for merchant in Merchant.objects.unfinished():
        try:
            provision(merchant, at=datetime.now(UTC))
        except Exception as error:  # kept as the merchant's fault, and tried again next time
            log.warning("still_unfinished", merchant=str(merchant.id), error=type(error).__name__)


def owe_schema(merchant: Merchant) -> None:
    """Let a worker make a merchant's schema, if and when this transaction commits."""
    enqueue(STEP, {"merchant": str(merchant.id)})


def make_owed_schema(*, merchant: str) -> None:
    """Make the schema of a merchant that has none yet; what fails is kept on the merchant and raised."""
    unfinished = Merchant.objects.unfinished().filter(id=merchant).first()
    if unfinished:
        provision(unfinished, at=datetime.now(UTC))


def _make_schema(merchant: Merchant, *, at: datetime) -> None:
    _set_state(merchant, Merchant.State.CREATING)
    try:
        make_schema(merchant.schema_name)
    except Exception as error:
        merchant.fault = f"{type(error).__name__}: {error}"[:500]
        _set_state(merchant, Merchant.State.FAILED)
        log.error("provisioning_failed", merchant=str(merchant.id), error=merchant.fault)
        raise
    merchant.fault, merchant.ready_at = "", at
    _set_state(merchant, Merchant.State.READY)


def _set_state(merchant: Merchant, state: Merchant.State) -> None:
    merchant.state = state
    merchant.save(update_fields=["state", "fault", "ready_at"])


def issue_keys(merchant: Merchant, mode: str, *, actor: str, at: datetime) -> NewKeys:
    """Make an API key, a return key and an order key for a mode. They are shown once; we keep digest or seal."""
    api_key, prefix, digest = new_api_key(mode)
    with transaction.atomic():
        ApiKey.objects.create(merchant=merchant, mode=mode, prefix=prefix, digest=digest, created_at=at)
        keys = NewKeys(
            api_key=api_key,
            return_key=_issue_merchant_key(merchant, mode, MerchantKey.Purpose.RETURN, at=at),
            order_key=_issue_merchant_key(merchant, mode, MerchantKey.Purpose.ORDER, at=at),
        )
        AuditEntry.objects.create(
            merchant=merchant, at=at, actor=actor, action="keys.issued", subject=prefix, detail={"mode": mode}
        )
    return keys


def _issue_merchant_key(merchant: Merchant, mode: str, purpose: MerchantKey.Purpose, *, at: datetime) -> str:
    text = f"{purpose}_key_" + new_route_key("k")[3:]
    number = MerchantKey.objects.filter(merchant=merchant, mode=mode, purpose=purpose).count() + 1
    key = MerchantKey(
        id=new_id(),
        merchant=merchant,
        mode=mode,
        purpose=purpose,
        kid=f"{purpose[0]}k_{number}",
        created_at=at,
    )
    key.sealed = open_vault(merchant).seal(text.encode(), table="tenants_merchantkey", field="sealed", row=key.id)
    key.save()
    return text


def set_policy(
    merchant: Merchant,
    mode: str,
    *,
    policy: Policy,
    return_urls: list[str],
    origins: list[str],
    confirm_policy: ConfirmPolicy | None = None,
    prepares: bool = False,
    reads_prepared: bool = False,
) -> None:
    """Choose what a mode does with what it cannot know; unless said, confirm is closed where the policy is strict."""
    closed = ConfirmPolicy.CLOSED if policy == Policy.STRICT else ConfirmPolicy.OPEN
    MerchantMode.objects.filter(merchant=merchant, mode=mode).update(
        policy=policy,
        confirm_policy=confirm_policy or closed,
        prepares=prepares,
        reads_prepared=reads_prepared,
        return_urls=return_urls,
        origins=origins,
    )


def rotate_route_key(merchant: Merchant, mode: str, kind: str, *, actor: str, at: datetime) -> RouteKey:
    """Make a new route key; the old one works for 180 days, because PortOne re-sends to old URLs."""
    with transaction.atomic():
        old = RouteKey.objects.select_for_update().get(merchant=merchant, mode=mode, kind=kind, works_until=None)
        old.works_until = at + ROTATED_KEY_WORKS
        old.save(update_fields=["works_until"])
        new = RouteKey.objects.create(merchant=merchant, mode=mode, kind=kind, key=new_route_key(kind), created_at=at)
        _audit_key(merchant, "route_key.rotated", old, actor=actor, at=at)
    forget_route(old.key)
    return new


def retire_route_key(key: RouteKey, *, actor: str, at: datetime) -> None:
    """Close a rotated key at once, in every process: statements ask for its moment themselves."""
    if key.works_until is None:
        raise ValueError("the current key cannot be retired; rotate it first")
    with transaction.atomic():
        key.works_until = at
        key.save(update_fields=["works_until"])
        _audit_key(key.merchant, "route_key.retired", key, actor=actor, at=at)
    forget_route(key.key)


def _audit_key(merchant: Merchant, action: str, key: RouteKey, *, actor: str, at: datetime) -> None:
    AuditEntry.objects.create(
        merchant=merchant,
        at=at,
        actor=actor,
        action=action,
        subject=f"{key.mode} {key.kind} key {key.key[:7]}…",
    )
