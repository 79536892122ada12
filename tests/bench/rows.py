"""Millions of rows as four weeks of trade leave them, written by PostgreSQL itself.

Of each three events: an order and its payment, told as awaiting a deposit, as expired, and as paid after all; a
landing, a webhook and an answer of PortOne. Of each event a delivery, heard at its second attempt. Nothing is owed.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
from django.db import connection
from psycopg import sql

from results.core.snapshot import Card, Snapshot
from tests.bench.world import Stall

EVENTS_OF_A_PAYMENT = 3
AT_A_TIME = 25_000  # payments
DAYS = 28  # shorter than anything is kept, so that nothing is to be forgotten while it is measured
CONNECTIONS = 2

# Ids are made of the moment they are of, and random behind it, as ours are: what came later sorts later.
SALES = """
CREATE TEMP TABLE sale ON COMMIT DROP AS
SELECT number, at, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') || '+00:00' AS iso,
    'order-s' || number AS merchant_uid, 'imp_9' || lpad(number::text, 11, '0') AS imp_uid,
    1000 + number %% 90000 AS won, uuidv7(at - clock_timestamp()) AS "order", uuidv7(at - clock_timestamp()) AS payment,
    uuidv7(at - clock_timestamp()) AS event_1, uuidv7(at - clock_timestamp()) AS event_2,
    uuidv7(at - clock_timestamp()) AS event_3, uuidv7(at - clock_timestamp()) AS delivery_1,
    uuidv7(at - clock_timestamp()) AS delivery_2, uuidv7(at - clock_timestamp()) AS delivery_3
FROM (SELECT number, now() - '1 min'::interval - (%(amount)s - number) * (interval '{days} days' / %(amount)s) AS at
    FROM generate_series(%(first)s::bigint, %(last)s) AS number) AS numbered
"""
TABLES = (
    """
INSERT INTO {schema}.results_order (id, mode, merchant_uid, status, flags, sequence, expected_amount, expected_currency,
    expected_exponent, expected_source, registered_at, name, return_url, metadata, created_at)
SELECT "order", 'live', merchant_uid, 'paid', '{{}}', 3, won, 'KRW', 0, 'orders_api', at, '', '', '{{}}', at FROM sale
""",
    """
INSERT INTO {schema}.results_payment (id, mode, order_id, imp_uid, status, version, money_moved, snapshot, judgement,
    fingerprint, observed_at, first_seen_at, told_status, told_type, told_cancelled, told_event)
SELECT payment, 'live', "order", imp_uid, 'paid', 3, true, {snapshot} || jsonb_build_object('imp_uid', imp_uid,
    'merchant_uid', merchant_uid, 'amount', won::text, 'paid_at', iso, 'asked_at', iso), {judgement},
    'paid 0', at, at, 'paid', 'payment.paid', 0, event_3 FROM sale
""",
    """
INSERT INTO {schema}.results_notification (id, mode, kind, received_at, imp_uid, merchant_uid, claim, address,
    settled_at)
SELECT uuidv7(at - clock_timestamp()), 'live', kind, at, imp_uid, merchant_uid, '{{"status": "paid"}}', '127.0.0.1', at
FROM sale CROSS JOIN (VALUES ('landing'), ('webhook')) AS each (kind)
""",
    """
INSERT INTO {schema}.results_verification (id, mode, question, imp_uid, merchant_uid, asked_at, answered_at, answer,
    detail, snapshot)
SELECT uuidv7(at - clock_timestamp()), 'live', 'batch', imp_uid, merchant_uid, at, at, 'found', '',
    jsonb_build_object('imp_uid', imp_uid, 'merchant_uid', merchant_uid, 'status', 'paid', 'amount', won::text,
        'cancel_amount', '0', 'currency', 'KRW', 'sandbox', false, 'paid_at', iso, 'asked_at', iso)
FROM sale
""",
    """
INSERT INTO {schema}.results_event (id, mode, order_id, payment_id, sequence, type, created_at, body)
SELECT id, 'live', "order", payment, sequence, type, at, convert_to(jsonb_build_object('id', id, 'type', type,
    'sequence', sequence, 'order', jsonb_build_object('id', merchant_uid, 'status', 'paid'), 'payment',
    jsonb_build_object('imp_uid', imp_uid, 'amount', won, 'currency', 'KRW', 'paid_at', iso))::text, 'UTF8')
FROM sale CROSS JOIN LATERAL (VALUES (event_1, 1, 'payment.awaiting_deposit'), (event_2, 2, 'payment.expired'),
    (event_3, 3, 'payment.paid')) AS each (id, sequence, type)
""",
    """
INSERT INTO {schema}.results_delivery (id, event_id, endpoint_id, created_at, step, tries, tried_at, delivered_at,
    heard_at)
SELECT id, event, {endpoint}, at, 2, 2, at + '6 s', at + '6 s', at + '6 s'
FROM sale CROSS JOIN LATERAL (VALUES (delivery_1, event_1), (delivery_2, event_2),
    (delivery_3, event_3)) AS each (id, event)
""",
    """
INSERT INTO {schema}.results_attempt (id, delivery_id, number, trigger, started_at, duration_ms, status, error, detail,
    body, truncated)
SELECT uuidv7(at + try * '3 s'::interval - clock_timestamp()), delivery, try, 'schedule',
    at + try * '3 s'::interval, 20 + number % 80, CASE try WHEN 1 THEN 503 ELSE 200 END, '', '', 'ok', false
FROM sale CROSS JOIN LATERAL (VALUES (delivery_1), (delivery_2), (delivery_3)) AS each (delivery)
    CROSS JOIN generate_series(1, 2) AS tried (try)
""",
)
NAMES = ("order", "payment", "notification", "verification", "event", "delivery", "attempt")


def fill(stalls: Sequence[Stall], events: int) -> None:
    """Write so many events, with all that belongs to them, spread over the merchants; then let PostgreSQL tidy up."""
    amount = max(1, events // EVENTS_OF_A_PAYMENT // len(stalls))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(_fill_one, stall, amount) for stall in stalls]:
            done.result()


def _fill_one(stall: Stall, amount: int) -> None:
    words = {
        "schema": sql.Identifier(stall.route.schema),
        "endpoint": sql.Literal(stall.endpoint),
        "snapshot": sql.Literal(json.dumps(_snapshot())) + sql.SQL("::jsonb"),
        "judgement": sql.Literal(json.dumps(_judgement())) + sql.SQL("::jsonb"),
        "days": sql.SQL(str(DAYS)),
    }
    options = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key in ("host", "port", "user", "dbname")
    }
    with psycopg.connect(**options, autocommit=True) as own:
        # Rows that are right by construction need no look-up of each reference.
        own.execute("SET session_replication_role = replica")
        own.execute("SET synchronous_commit = off")
        for first in range(1, amount + 1, AT_A_TIME):
            numbers = {"amount": amount, "first": first, "last": min(first + AT_A_TIME - 1, amount)}
            with own.transaction():
                own.execute(sql.SQL(SALES).format(**words), numbers)
                for statement in TABLES:
                    own.execute(sql.SQL(statement).format(**words))
        for name in NAMES:
            own.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(stall.route.schema, f"results_{name}")))


def _snapshot() -> dict[str, object]:
    """Return an answer of PortOne about a paid card payment, without what it leaves empty."""
    at = datetime.now(UTC)
    said = Snapshot(
        imp_uid="",
        merchant_uid="",
        status="paid",
        amount=Decimal(0),
        cancel_amount=Decimal(0),
        currency="KRW",
        sandbox=False,
        asked_at=at,
        pay_method="card",
        pg="html5_inicis",
        started_at=at,
        card=Card("381", "KB국민카드", "381", "KB국민카드", "400000******0002", "0", 0, "30012345"),
    )
    return {name: value for name, value in said.as_json().items() if value not in (None, [])}


def _judgement() -> dict[str, object]:
    checks = dict.fromkeys(("account", "order", "amount", "currency", "livemode", "uniqueness"), "pass")
    return {"verified": "matched", "type": "payment.paid", "checks": checks, "mismatches": [], "flags": []}
