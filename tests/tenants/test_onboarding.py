"""How a merchant comes to be, and how its keys are made, changed and closed."""

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.migrations import Migration, RunPython, RunSQL
from django.db.models.signals import pre_migrate
from psycopg import sql

from results.models import Order
from tenants.management.commands.migrate import schemas_behind
from tenants.models import ApiKey, AuditEntry, Membership, Merchant, MerchantKey, MerchantMode, RouteKey, User
from tenants.models.keys import digest_of, new_api_key
from tenants.onboarding import (
    ROTATED_KEY_WORKS,
    issue_keys,
    provision,
    provision_unfinished,
    retire_route_key,
    rotate_route_key,
)
from tenants.routing import find_mode, find_route, forget_everything, inside
from tenants.schemas import can_be_said_again
from tenants.sealing import open_vault
from tests.tenants.conftest import NOON, Register

Cast = dict[str, Merchant]
SECOND = timedelta(seconds=1)
DESCRIBED = """
SELECT 'column', table_name::text, column_name::text, data_type::text, is_nullable, column_default,
    generation_expression, character_maximum_length, numeric_precision, collation_name, identity_generation
FROM information_schema.columns WHERE table_schema = {0}
UNION ALL SELECT 'index', indexname, indexdef, '', '', '', '', 0, 0, '', '' FROM pg_indexes WHERE schemaname = {0}
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid), '', '', '', '', 0, 0, '', ''
FROM pg_constraint WHERE connamespace = (SELECT oid FROM pg_namespace WHERE nspname = {0})
"""


def run(statement: str, *names: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        return cursor.fetchall() if cursor.description else []


def schemas() -> set[str]:
    return {row[0] for row in run("SELECT nspname FROM pg_namespace")}


def stand_in_the_way(merchant: Merchant) -> None:
    """Let the merchant's first migration fail: a table that it makes is there already."""
    run("CREATE SCHEMA {}", merchant.schema_name)
    run("CREATE TABLE {}.{} (id int)", merchant.schema_name, "results_order")


def step_aside(merchant: Merchant) -> None:
    run("DROP TABLE {}.{}", merchant.schema_name, "results_order")


def opens(key: RouteKey, *, at: datetime) -> bool:
    forget_everything()
    return find_route(key.key, kind=key.kind, at=at) is not None


def current(merchant: Merchant, mode: str = "live", kind: str = "browser") -> RouteKey:
    return RouteKey.objects.get(merchant=merchant, mode=mode, kind=kind, works_until=None)


# From rows to a schema


def test_a_newcomer_waits_for_its_schema(register: Register) -> None:
    """A merchant that was only written down is pending, has no schema and leads nowhere."""
    newcomer = register()

    assert newcomer.state == "pending"
    assert newcomer.schema_name not in schemas()
    assert find_mode(newcomer.id, "live") is None
    assert not opens(current(newcomer), at=NOON)


def test_provisioning_makes_the_schema(register: Register) -> None:
    """Provisioned, a merchant is ready, with a moment, and its tables can be used."""
    newcomer = provision(register(), at=NOON)

    forget_everything()
    assert (newcomer.state, newcomer.ready_at, newcomer.fault) == ("ready", NOON, "")
    assert opens(current(newcomer), at=NOON)
    with inside(newcomer.schema_name):
        assert Order.objects.count() == 0


def test_provisioning_twice_changes_nothing(register: Register) -> None:
    """A merchant that is ready keeps the moment at which it became so."""
    newcomer = provision(register(), at=NOON)

    again = provision(Merchant.objects.get(id=newcomer.id), at=NOON + SECOND)

    assert again.ready_at == NOON


def described(merchant: Merchant) -> list[Any]:
    """Return all that the database knows of a merchant's tables, without the schema's name."""
    rows = run(DESCRIBED.replace("{0}", sql.Literal(merchant.schema_name).as_string()))
    return sorted(tuple(str(part).replace(merchant.schema_name, "its") for part in row) for row in rows)


def books(merchant: Merchant) -> list[Any]:
    return run("SELECT app, name FROM {}.{} ORDER BY 1, 2", merchant.schema_name, "django_migrations")


def test_schemas_made_again_are_like_a_migrated_one(register: Register) -> None:
    """What a process makes after its first schema has the same columns, indexes, constraints and books."""
    provision(register(), at=NOON)
    again, migrated = provision(register(), at=NOON), register()
    run("CREATE SCHEMA {}", migrated.schema_name)  # so that it is not made again, but migrated
    provision(migrated, at=NOON)

    assert len(described(again)) > 200
    assert described(again) == described(migrated)
    assert books(again) == books(migrated)
    assert schemas_behind([again.schema_name]) == []


def test_a_process_migrates_its_first_schema_alone(register: Register) -> None:
    """The schemas after it are made of the statements that made the first: Django makes no models anew for them."""
    provision(register(), at=NOON)
    migrated: list[str] = []

    def note(**said: Any) -> None:
        migrated.append(said["using"])

    pre_migrate.connect(note)
    try:
        provision(register(), at=NOON)
    finally:
        pre_migrate.disconnect(note)

    assert migrated == []


def test_only_statements_are_said_again() -> None:
    """A migration that runs Python, or goes without a transaction, is never repeated for another schema."""
    plain, python, bare = (Migration(name, "results") for name in ("plain", "python", "bare"))
    plain.operations = [RunSQL("SELECT 1")]
    python.operations = [RunPython(RunPython.noop)]
    bare.atomic = False
    others = Migration("python", "tenants")
    others.operations = python.operations

    assert can_be_said_again([plain, others])
    assert not can_be_said_again([plain, python])
    assert not can_be_said_again([plain, bare])


def test_a_schema_made_again_is_there_whole_or_not_at_all(register: Register) -> None:
    """Whoever makes a schema again and fails leaves nothing of it, and the next try makes it."""
    provision(register(), at=NOON)
    newcomer = register()

    with connection.execute_wrapper(fail_at("payment_paid")), pytest.raises(OSError, match="payment_paid"):
        provision(newcomer, at=NOON)

    assert newcomer.schema_name not in schemas()
    assert provision(Merchant.objects.get(id=newcomer.id), at=NOON).state == "ready"


def fail_at(word: str) -> Callable[..., Any]:
    def fail(execute: Any, statement: Any, *rest: Any) -> Any:
        if word in str(statement):
            raise OSError(word)
        return execute(statement, *rest)

    return fail


def test_a_failure_is_kept_and_can_be_mended(register: Register) -> None:
    """What fails keeps its fault; once that is mended, the next try makes the merchant ready."""
    newcomer = register()
    stand_in_the_way(newcomer)

    with pytest.raises(Exception, match="already exists"):
        provision(newcomer, at=NOON)
    failed = Merchant.objects.get(id=newcomer.id)
    step_aside(newcomer)
    mended = provision(Merchant.objects.get(id=newcomer.id), at=NOON + SECOND)

    assert (failed.state, failed.ready_at) == ("failed", None)
    assert "already exists" in failed.fault
    assert (mended.state, mended.fault, mended.ready_at) == ("ready", "", NOON + SECOND)


def test_after_a_failure_the_thread_is_back_in_public(register: Register) -> None:
    """A failed migration leaves nobody in the merchant's schema."""
    newcomer = register()
    stand_in_the_way(newcomer)

    with pytest.raises(Exception, match="already exists"):
        provision(newcomer, at=NOON)

    assert connection.schema_name == "public"
    assert run("SELECT current_schema()") == [("public",)]


def test_one_failure_holds_up_no_other_newcomer(register: Register) -> None:
    """The clock's turn finishes whoever can be finished, beside one that fails."""
    failing, healthy = register(), register(name="tailor")
    stand_in_the_way(failing)

    provision_unfinished()

    states = {merchant.id: merchant.state for merchant in Merchant.objects.all()}
    assert (states[failing.id], states[healthy.id]) == ("failed", "ready")


def test_a_crash_half_way_is_finished_later(register: Register) -> None:
    """A merchant whose maker died while creating is taken up where it stands."""
    newcomer = register()
    run("CREATE SCHEMA {}", newcomer.schema_name)
    Merchant.objects.filter(id=newcomer.id).update(state="creating")

    provision_unfinished()

    assert Merchant.objects.get(id=newcomer.id).state == "ready"


def test_two_callers_at_once_make_one_schema(register: Register) -> None:
    """The second caller waits for the first, finds the schema ready and leaves it alone."""
    newcomer = register()
    made: list[datetime | None] = []

    def provision_at(at: datetime) -> None:
        try:
            made.append(provision(Merchant.objects.get(id=newcomer.id), at=at).ready_at)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=provision_at, args=(NOON + number * SECOND,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 4
    assert len(set(made)) == 1
    assert Merchant.objects.get(id=newcomer.id).state == "ready"


def test_nobody_provisions_inside_a_transaction(register: Register) -> None:
    """Inside a transaction a failed migration would hide its own error, so that is refused and nothing is made."""
    newcomer = register()

    with pytest.raises(RuntimeError, match="outside any transaction"), transaction.atomic():
        provision(newcomer, at=NOON)

    assert Merchant.objects.get(id=newcomer.id).state == "pending"
    assert newcomer.schema_name not in schemas()


# Names and rows


@pytest.mark.parametrize(
    "name",
    ["bakery", "t_", "t_" + "A" * 32, "t_" + "0" * 31, "t_" + "0" * 33, "pg_catalog", 't_0"; DROP SCHEMA public', ""],
)
def test_schema_names_are_ours(register: Register, name: str) -> None:
    """The database itself refuses a schema name that we did not make."""
    newcomer = register()

    with pytest.raises(IntegrityError, match="merchant_schema_name_is_ours"):
        Merchant.objects.filter(id=newcomer.id).update(schema_name=name)


def test_a_schema_is_named_by_the_id_and_by_no_text(register: Register) -> None:
    """A merchant's name never reaches the name of its schema."""
    newcomer = register(name='"; DROP SCHEMA public; --')

    assert newcomer.schema_name == f"t_{newcomer.id.hex}"


def test_both_modes_have_both_keys(register: Register) -> None:
    """Live and test each have one browser key and one webhook key from the first day, all different."""
    newcomer = register()

    keys = RouteKey.objects.filter(merchant=newcomer, works_until=None)
    assert set(MerchantMode.objects.filter(merchant=newcomer).values_list("mode", flat=True)) == {"live", "test"}
    assert sorted(keys.values_list("mode", "kind")) == [
        ("live", "browser"),
        ("live", "webhook"),
        ("test", "browser"),
        ("test", "webhook"),
    ]
    assert len(set(keys.values_list("key", flat=True))) == 4


def test_one_current_key_of_a_kind(register: Register) -> None:
    """The database refuses a second current key of the same mode and kind."""
    newcomer = register()

    with pytest.raises(IntegrityError, match="one_current_route_key_of_a_kind"):
        RouteKey.objects.create(merchant=newcomer, mode="live", kind="browser", key="bk_second", created_at=NOON)


def test_a_merchant_has_an_owner(register: Register) -> None:
    """The owner's address, in any spelling of its case, is one member with one role; nobody can log in yet."""
    newcomer = register(owner_email=" Owner@Newcomer.example ")
    second = register(owner_email="owner@newcomer.example")

    owners = Membership.objects.filter(merchant__in=[newcomer, second])
    assert {owner.role for owner in owners} == {"owner"}
    assert len({owner.user_id for owner in owners}) == 1
    assert not User.objects.get(email="owner@newcomer.example").has_usable_password()


# Keys that are shown once


def kept(*tables: str) -> str:
    """Return every column of these tables as the database prints it, bytes also in clear."""
    rows = [row[0] for table in tables for row in run("SELECT t::text FROM {} AS t", table)]
    return " ".join(rows)


def test_issued_keys_are_kept_as_digest_or_sealed(database: Cast) -> None:
    """What is shown once stands nowhere in the database, neither as text nor as bytes."""
    issued = issue_keys(database["bakery"], "live", actor="tests", at=NOON)

    shown = (issued.api_key, issued.return_key, issued.order_key)
    columns = kept("tenants_apikey", "tenants_merchantkey", "tenants_auditentry")
    assert not [key for key in shown if key in columns or key.encode().hex() in columns]


def test_an_api_key_shows_its_prefix(database: Cast) -> None:
    """The prefix says whose and which mode's key it is; the rest of it is 160 random bits."""
    issued = issue_keys(database["bakery"], "test", actor="tests", at=NOON)

    key = ApiKey.objects.get()
    assert issued.api_key.startswith(f"{key.prefix}_")
    assert key.prefix.startswith("pwk_test_")
    assert len(issued.api_key.removeprefix(f"{key.prefix}_")) == 32
    assert bytes(key.digest) == digest_of(issued.api_key)


def test_an_api_keys_digest_is_peppered(settings: Any) -> None:
    """Without the installation's secret nobody can test a guess against a copy of the table."""
    key, _, digest = new_api_key("live")

    settings.SECRET_KEY = "another-installation" * 3

    assert digest_of(key) != digest
    assert hashlib.sha256(key.encode()).digest() != digest


def test_merchant_keys_open_for_their_merchant(database: Cast) -> None:
    """The sealed return and order keys are the ones that were shown."""
    issued = issue_keys(database["bakery"], "live", actor="tests", at=NOON)

    vault = open_vault(database["bakery"])
    opened = {
        row.purpose: vault.open(row.sealed, table="tenants_merchantkey", field="sealed", row=row.id).decode()
        for row in MerchantKey.objects.all()
    }
    assert opened == {"return": issued.return_key, "order": issued.order_key}


def test_merchant_keys_are_numbered_by_purpose_and_mode(database: Cast) -> None:
    """Each purpose of each mode counts its own keys: rk_1, rk_2 for returns, ok_1, ok_2 for orders."""
    for mode in ("live", "live", "test"):
        issue_keys(database["bakery"], mode, actor="tests", at=NOON)
    issue_keys(database["florist"], "live", actor="tests", at=NOON)

    named = MerchantKey.objects.filter(merchant=database["bakery"]).values_list("mode", "kid")
    assert sorted(named) == [
        ("live", "ok_1"),
        ("live", "ok_2"),
        ("live", "rk_1"),
        ("live", "rk_2"),
        ("test", "ok_1"),
        ("test", "rk_1"),
    ]


def test_every_change_is_in_the_audit(register: Register) -> None:
    """Registration, issued, rotated and retired keys are written down with who did it, and without a key."""
    newcomer = register(actor="owner@newcomer.example")
    issued = issue_keys(newcomer, "live", actor="tests", at=NOON)
    old = current(newcomer)
    rotate_route_key(newcomer, "live", "browser", actor="tests", at=NOON)
    retire_route_key(RouteKey.objects.get(id=old.id), actor="tests", at=NOON)

    entries = list(AuditEntry.objects.filter(merchant=newcomer).order_by("id"))
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("merchant.registered", "owner@newcomer.example"),
        ("keys.issued", "tests"),
        ("route_key.rotated", "tests"),
        ("route_key.retired", "tests"),
    ]
    assert issued.api_key not in kept("tenants_auditentry")
    assert old.key not in kept("tenants_auditentry")


# Route keys that change


def test_a_rotated_key_works_for_180_days(database: Cast) -> None:
    """The old address is open until the 180th day and closed on it; the new one is open at once."""
    old = current(database["bakery"])

    new = rotate_route_key(database["bakery"], "live", "browser", actor="tests", at=NOON)

    assert timedelta(days=180) == ROTATED_KEY_WORKS
    assert opens(new, at=NOON)
    assert opens(old, at=NOON + ROTATED_KEY_WORKS - SECOND)
    assert not opens(old, at=NOON + ROTATED_KEY_WORKS)


def test_rotation_changes_one_kind_of_one_mode(database: Cast) -> None:
    """The other kind, the other mode and the other merchant keep their keys."""
    untouched = set(RouteKey.objects.exclude(id=current(database["bakery"]).id).values_list("key", flat=True))

    rotate_route_key(database["bakery"], "live", "browser", actor="tests", at=NOON)

    assert untouched <= set(RouteKey.objects.filter(works_until=None).values_list("key", flat=True))


def test_a_key_may_be_rotated_again_and_again(database: Cast) -> None:
    """Several old keys work beside the current one."""
    keys = [current(database["bakery"])]

    for _ in range(3):
        keys.append(rotate_route_key(database["bakery"], "live", "browser", actor="tests", at=NOON))

    assert all(opens(key, at=NOON + SECOND) for key in keys)


def test_a_retired_key_is_closed_at_once(database: Cast) -> None:
    """Retiring takes no 180 days, and what this process remembered of the key is dropped with it."""
    old = current(database["bakery"])
    rotate_route_key(database["bakery"], "live", "browser", actor="tests", at=NOON)
    assert opens(old, at=NOON)

    retire_route_key(RouteKey.objects.get(id=old.id), actor="tests", at=NOON)

    assert find_route(old.key, kind="browser", at=NOON) is None


def test_the_current_key_cannot_be_retired(database: Cast) -> None:
    """A mode is never left without an address: the key has to be rotated first."""
    key = current(database["bakery"])

    with pytest.raises(ValueError, match="rotate it first"):
        retire_route_key(key, actor="tests", at=NOON)

    assert opens(key, at=NOON)
