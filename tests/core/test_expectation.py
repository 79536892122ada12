"""One rule over every way in which an expected amount reaches us."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from results.core.classify import Expected
from results.core.expectation import Expectation, Source, Statement, choose, replaces
from results.core.money import Money
from results.core.order_token import OrderToken

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WON, LESS, YEN = Money(64900, "KRW", 0), Money(100, "KRW", 0), Money(64900, "JPY", 0)
REGISTERED = Expected(WON, "orders_api", NOON - HOUR, NOON + HOUR)


def token(money: Money = WON, order: str = "order-1", ends: datetime = NOON + HOUR) -> OrderToken:
    return OrderToken("ok_1", "mer_bakery", "live", order, money, ends)


def statement(money: Money = WON, ends: datetime | None = NOON + HOUR) -> Statement:
    return Statement(money, NOON - HOUR, ends)


def chosen(
    registered: Expected | None = None,
    *,
    own: OrderToken | None = None,
    heard: Statement | None = None,
    prepared: Statement | None = None,
    started_at: datetime = NOON,
) -> Expectation:
    return choose(
        registered,
        own=own,
        heard=heard,
        prepared=prepared,
        merchant_uid="order-1",
        started_at=started_at,
        seen_at=NOON,
    )


@pytest.mark.parametrize("present", list(product([True, False], repeat=4)))
def test_the_first_source_that_says_something_decides(present: tuple[bool, ...]) -> None:
    """What is registered decides before a token, and a token before prepare; whatever else is known."""
    registers, carries, hears, prepares = present

    expected = chosen(
        REGISTERED if registers else None,
        own=token() if carries else None,
        heard=statement() if hears else None,
        prepared=statement(ends=None) if prepares else None,
    ).expected

    first = next(
        (
            name
            for name, is_there in zip(("orders_api", "order_token", "order_token", "prepare"), present, strict=True)
            if is_there
        ),
        None,
    )
    assert (expected.source if expected else None) == first


@pytest.mark.parametrize(
    ("said", "conflict"),
    [
        ({}, False),
        ({"own": token()}, False),
        ({"own": token(LESS)}, True),
        ({"own": token(YEN)}, True),
        ({"heard": statement(LESS)}, True),
        ({"prepared": statement(LESS)}, True),
        ({"own": token(), "heard": statement(), "prepared": statement()}, False),
        ({"own": token(), "heard": statement(), "prepared": statement(YEN)}, True),
        ({"own": token(LESS, ends=NOON - HOUR)}, False),
        ({"own": token(LESS, order="order-2")}, False),
        ({"heard": statement(LESS, ends=NOON - HOUR)}, False),
    ],
)
def test_another_amount_of_another_source_is_a_conflict(said: dict[str, object], conflict: bool) -> None:
    """A registered order alone decides; a source that counts and says another amount or currency is noticed."""
    found = chosen(REGISTERED, **said)  # type: ignore[arg-type]

    assert found.expected == REGISTERED
    assert found.conflict is conflict


@pytest.mark.parametrize(
    ("own", "heard", "prepared", "money", "conflict"),
    [
        (token(), statement(LESS), None, WON, True),
        (token(LESS), None, statement(WON), LESS, True),
        (None, statement(LESS), statement(WON), LESS, True),
        (token(ends=NOON - HOUR), statement(LESS), None, LESS, False),
        (token(order="order-2"), None, statement(LESS), LESS, False),
    ],
)
def test_without_a_registration_the_next_best_decides(
    own: OrderToken | None, heard: Statement | None, prepared: Statement | None, money: Money, conflict: bool
) -> None:
    """The payment's own token comes before one of a landing, both before prepare; what does not count is left out."""
    found = chosen(own=own, heard=heard, prepared=prepared)

    assert found.expected is not None
    assert (found.expected.money, found.conflict) == (money, conflict)


@pytest.mark.parametrize(
    ("started_at", "counts"),
    [(NOON - HOUR, True), (NOON + HOUR, True), (NOON + HOUR + timedelta(seconds=1), False)],
)
def test_a_token_counts_for_payments_that_began_before_its_end(started_at: datetime, counts: bool) -> None:
    """Its last second included; how long the payment takes afterwards does not matter."""
    assert (chosen(own=token(), started_at=started_at).expected is not None) is counts
    assert (chosen(heard=statement(), started_at=started_at).expected is not None) is counts


def test_a_tokens_end_is_not_the_orders() -> None:
    """A deposit days after a token's end is not paid after the order's expiry."""
    for found in (chosen(own=token()), chosen(heard=statement())):
        assert found.expected is not None
        assert found.expected.expires_at is None


@pytest.mark.parametrize("registered", [None, REGISTERED])
@pytest.mark.parametrize("ends", [NOON + HOUR, NOON - HOUR])
def test_a_token_for_another_order_is_named(registered: Expected | None, ends: datetime) -> None:
    """A payment whose own signed token is for another order says so, registered or not, ended or not."""
    found = chosen(registered, own=token(order="order-2", ends=ends))

    assert found.names_other == "order-2"
    assert found.expected == registered


def test_nothing_said_is_nothing_expected() -> None:
    """Without any source there is nothing to compare, and nothing that looks like it."""
    assert chosen() == Expectation(None, conflict=False, names_other=None)


def test_sources_have_the_promised_names() -> None:
    """The names that merchants read in `order.expected.source`."""
    assert [*Source] == ["orders_api", "order_token", "prepare"]


@pytest.mark.parametrize("said", [statement(), statement(Money(1420, "USD", 2), ends=None)])
def test_a_statement_is_kept_and_read_back(said: Statement) -> None:
    """What is written beside an order reads back the same."""
    assert Statement.from_json(said.as_json()) == said


@pytest.mark.parametrize("kept", [None, {}, {"stated_at": NOON.isoformat()}])
def test_a_note_that_nothing_was_stated_is_no_statement(kept: dict[str, str] | None) -> None:
    """That prepare was asked and held nothing is kept too, and expects nothing."""
    assert Statement.from_json(kept) is None


@pytest.mark.parametrize(
    ("new", "known", "replaced"),
    [
        (statement(), None, True),
        (statement(LESS, ends=NOON + 2 * HOUR), statement(), True),
        (statement(LESS), statement(), False),
        (statement(LESS, ends=NOON), statement(), False),
    ],
)
def test_only_a_token_that_ends_later_replaces_another(new: Statement, known: Statement | None, replaced: bool) -> None:
    """Showing an old token once more does not bring its price back."""
    assert replaces(new, known) is replaced
