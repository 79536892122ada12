"""What is shown of a raw text: readable, and nothing that tells who bought."""

import json

import pytest

from results.core.masking import HIDDEN, MOST, mask


def test_a_redirect_loses_its_buyer() -> None:
    """Of a query, names of rows and outcomes stay; names, telephones and mail of people do not."""
    shown = mask(
        b"imp_uid=imp_123456789012&merchant_uid=20261121000001&buyer_name=Kim&buyer_tel=01012345678&success=true"
    )

    assert "imp_uid = imp_123456789012" in shown
    assert "merchant_uid = 20261121000001" in shown
    assert "success = true" in shown
    assert "Kim" not in shown
    assert "0101234" not in shown


def test_an_answer_keeps_its_shape() -> None:
    """Of JSON, amounts and times stay numbers; cards, accounts and people at any depth are masked."""
    answer = {
        "response": {
            "amount": 64900,
            "paid_at": 1763700000,
            "bank_name": "KB국민은행",
            "card_number": "400000******0002",
            "vbank_num": "562-123456-789012",
            "vbank_holder": "김빵",
            "cancel_history": [{"buyer": {"email": "kim@example.com"}, "reason": "call 010-1234-5678"}],
        }
    }

    shown = json.loads(mask(json.dumps(answer).encode()))["response"]

    assert (shown["amount"], shown["paid_at"], shown["bank_name"]) == (64900, 1763700000, "KB국민은행")
    assert (shown["card_number"], shown["vbank_num"], shown["vbank_holder"]) == (f"{HIDDEN}02", f"{HIDDEN}12", HIDDEN)
    assert shown["cancel_history"] == [{"buyer": {"email": f"{HIDDEN}om"}, "reason": f"call {HIDDEN}78"}]


def test_query_and_body_are_both_read() -> None:
    """What came in the query and in the body is masked each in its own shape."""
    shown = mask(b'a=b&buyer_name=Kim\n{"imp_uid": "imp_123456", "buyer_name": "Lee"}')

    assert "a = b" in shown
    assert '"imp_uid": "imp_123456"' in shown
    assert "Kim" not in shown
    assert "Lee" not in shown


@pytest.mark.parametrize("number", ["4000 0000 0000 0002", "4000-0000-0000-0002", "01012345678", "kim.b@shop.example"])
def test_what_cannot_be_read_loses_numbers_and_mail(number: str) -> None:
    """A text without shape keeps its words, and neither long numbers nor addresses."""
    shown = mask(f"\xff <no shape> {number} end".encode())

    assert number not in shown
    assert "<no shape>" in shown
    assert shown.endswith("end")


def test_nothing_turns_the_text_around() -> None:
    """Control characters and those that reverse a line are taken out."""
    assert mask("a\u202eb\x1b[31m\x00c".encode()) == "ab[31mc"


def test_a_long_text_is_cut() -> None:
    """No more than 16 KiB are shown, and the cut is marked."""
    shown = mask(b"word " * MOST)

    assert len(shown) == MOST + 2
    assert shown.endswith("\n…")
    assert mask(b"[" * 20_000)  # so deep that no reader follows


@pytest.mark.parametrize("name", ["buyerName", "buyer-name", "receiver_name", "cardNumber", "이름", "VBANK_HOLDER"])
def test_names_are_known_however_they_are_written(name: str) -> None:
    """Each way to write a field's name is one; what stands below a person's field is the person's, too."""
    shown = json.loads(mask(json.dumps({name: "secret-1", "buyer": {"nick": ["secret-2"]}, "name": "cake"}).encode()))

    assert "secret" not in str(shown)
    assert shown["name"] == "cake"


def test_numbers_that_are_too_long_for_amounts_are_masked() -> None:
    """A card's number that came as a number is masked under whatever name; an amount of a trillion stays."""
    shown = json.loads(mask(b'{"no": 4000001234560002, "amount": 1234567890123}'))

    assert shown == {"no": f"{HIDDEN}02", "amount": 1234567890123}


def test_a_query_with_spaces_is_a_query() -> None:
    """A query that was decoded on its way is masked by its names all the same."""
    assert mask("imp_uid=imp_1&buyer_name=김 빵&error_msg=no".encode()).splitlines()[1] == f"buyer_name = {HIDDEN}"
