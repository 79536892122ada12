"""Whoever starts the demo gets into its dashboard at once, and reads what it writes to people."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.core.mail.backends.console import EmailBackend
from django.core.mail.message import EmailMessage
from django.test import Client

from deploy.demo.leftovers import OWNER
from deploy.demo.letters import END, read_letter
from deploy.demo.member import let_in, prepare_test_mode
from deploy.demo.simulator import Simulator
from results.core.ids import encode
from results.steps import read_progress
from tenants.models import Merchant, User
from tenants.onboarding import register_merchant
from tenants.routing import find_mode, inside
from tests.tenants.conftest import newcomers_leave


@pytest.fixture
def left_by_an_earlier_run(database: Any) -> Iterator[User]:
    """The owner as somebody left it: another password, a second factor, an address that is not confirmed."""
    at = datetime.now(UTC)
    cache.clear()
    with newcomers_leave():
        register_merchant(name="데모 빵집", owner_email=OWNER, actor="tests", at=at)
        owner = User.objects.get(email=OWNER)
        owner.set_password("an earlier one")
        owner.save()
        EmailAddress.objects.create(user=owner, email=OWNER, verified=False)
        Authenticator.objects.create(user=owner, type=Authenticator.Type.TOTP, data={"secret": "sealed"})
        yield owner
    cache.clear()


def test_the_password_of_this_run_opens_the_dashboard(left_by_an_earlier_run: User) -> None:
    """The printed password signs in with nothing else to be asked for, whatever became of the account before."""
    password = let_in()

    answer = Client().post("/accounts/login/", {"login": OWNER, "password": password})

    assert answer.status_code == 302
    assert answer.url == "/dashboard/"
    assert Client().post("/accounts/login/", {"login": OWNER, "password": "an earlier one"}).status_code == 200


def test_a_first_payment_can_be_made_from_the_page(database: dict[str, Merchant], portone: Simulator) -> None:
    """In test mode PortOne's keys are in and the shop's address is known."""
    merchant = database["bakery"]
    portone.add_account("demo-key", "demo-words", user_code="imp00000001")

    keys = {"imp_key": "demo-key", "imp_secret": "demo-words", "user_code": "imp00000001"}
    secret = prepare_test_mode(encode("mer", merchant.id), callback_url="http://127.0.0.1:8200/callback", **keys)

    route = find_mode(merchant.id, "test")
    assert route
    with inside(route.schema):
        progress = read_progress(route)
    assert progress.done["keys"]
    assert progress.setup.user_code == "imp00000001"
    assert [endpoint.url for endpoint in progress.endpoints] == ["http://127.0.0.1:8200/callback"]
    assert secret.startswith("whsec_")


def test_a_letter_is_read_out_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A letter is shown in plain words, Korean included, without the log lines before it."""
    EmailBackend().send_messages(
        [EmailMessage("주소를 확인해 주세요", "안녕하세요.\n\nhttp://127.0.0.1/x", to=["a@b.example"])]
    )
    log = '{"event": "job"}\n' + capsys.readouterr().out

    text, _ = log.split(f"\n{END}\n")

    assert list(read_letter(text)) == [
        "\nA letter to a@b.example: 주소를 확인해 주세요",
        "    안녕하세요.",
        "    ",
        "    http://127.0.0.1/x",
    ]
