"""The signature debugger: what was pasted, against the event and the secrets that we keep."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from results.core.ids import encode
from results.core.signing import sign
from results.deliver import open_secrets
from results.endpoints import create_endpoint, rotate_secret
from results.models import Endpoint, EndpointSecret, Event
from tenants.routing import find_mode, inside
from tests.conftest import Work
from tests.dashboard.test_onboarding import Visitor, people
from tests.factories import Cast

__all__ = ["people"]


class Received:
    """A callback as the shop got it, with the secret that signed it."""

    def __init__(self, cast: Cast, at: datetime | None = None) -> None:
        [endpoint], [event] = cast.rows(Endpoint), cast.rows(Event)
        with inside(cast.merchant.schema_name):
            self.secret = open_secrets(cast.route, {endpoint.id}, at=datetime.now(UTC))[endpoint.id][-1]
        self.endpoint, self.body = endpoint, bytes(event.body)
        moment = at or datetime.now(UTC)
        self.headers = sign(self.body, message_id=encode("evt", event.id), at=moment, secrets=[self.secret])

    def pasted(self, **changes: str) -> dict[str, str]:
        headers = self.headers | {name.replace("_", "-"): value for name, value in changes.items() if "_" in name}
        text = "\n".join(f"{name}: {value}" for name, value in headers.items())
        return {"headers": text, "body": changes.get("body", self.body.decode()), "clock": changes.get("clock", "")}


@pytest.fixture
def received(test_bakery: Cast, run_worker: Work) -> Received:
    """A callback that tells of a payment, signed now."""
    imp_uid = test_bakery.opens_window("order-1")
    test_bakery.shop.faults.clear()
    test_bakery.portone.approve(imp_uid)
    test_bakery.is_called_about(imp_uid, "order-1")
    run_worker()
    return Received(test_bakery)


def judged(visitor: Visitor, pasted: dict[str, str]) -> dict[str, str]:
    """Return the mark of each part, by its title, and the page under no title."""
    page = visitor.does("debug_signature", pasted).content.decode()
    found = re.findall(r'<span class="state[^>]*>(\w[\w ]*)</span>\s*<div>\s*<p><strong>([^<]*)</strong>', page)
    return {title: mark for mark, title in found} | {"": page}


def test_what_we_sent_is_right(people: Any, received: Received) -> None:
    """Every part of a real callback is right, and whose secret signed it is named; the secret is not."""
    developer = people("developer")

    found = judged(developer, received.pasted(webhook_signature=received.headers["webhook-signature"]))

    # Signed anew by the test, so at a second at which we may not have sent it.
    assert {found[part] for part in ("Message id", "Secret", "Body", "How the signature is written")} == {"Right"}
    assert "the newest" in found[""]
    assert received.secret.to_text() not in found[""]


def test_the_first_changed_byte_is_shown(people: Any, received: Received) -> None:
    """A body that was changed is set against the frozen event."""
    body = received.body.decode().replace("order-1", "order-2", 1)
    place = len(received.body.decode().split("order-1")[0].encode()) + len("order-")

    found = judged(people("developer"), received.pasted(body=body))

    assert found["Body"] == "Wrong"
    assert re.search(rf'data-place="{place}"', found[""])
    assert found["Secret"] == "Right"


def test_a_message_from_a_log_is_only_old(people: Any, test_bakery: Cast, received: Received) -> None:
    """After five minutes the time is wrong and nothing else."""
    old = Received(test_bakery, datetime.now(UTC) - timedelta(minutes=9))

    found = judged(people("developer"), old.pasted())

    assert found["Time"] == "Wrong"
    assert found["Secret"] == "Right"


def test_an_older_secret_is_told_from_the_newest(
    people: Any,
    test_bakery: Cast,
    received: Received,
) -> None:
    """Which of an endpoint's live secrets fits is said by when it was made."""
    with inside(test_bakery.merchant.schema_name):
        overlap, at = timedelta(days=1), datetime.now(UTC)
        rotate_secret(test_bakery.route, received.endpoint.id, overlap=overlap, actor="tests", at=at)

    found = judged(people("developer"), received.pasted())

    assert found["Secret"] == "Right"
    assert "an older one, which signs until" in found[""]


def test_the_clock_of_the_server_is_compared(people: Any, received: Received) -> None:
    """With the receiver's own time it is said which clock is off; an illegible time names the mend."""
    fast = str(int(datetime.now(UTC).timestamp()) + 400)
    developer = people("developer")

    assert re.search("is 6 minutes (39|40) seconds ahead of ours", judged(developer, received.pasted(clock=fast))[""])
    assert developer.does("debug_signature", received.pasted(clock="soon")).status_code == 422


def test_another_merchants_event_is_unknown(people: Any, received: Received, florist: Cast) -> None:
    """The florist learns nothing of the bakery's event: neither its bytes nor that it exists."""
    owner = people("owner", merchant="florist")

    found = judged(owner, received.pasted(body="{}"))

    assert found["Message id"] == "Not judged"
    assert found["Body"] == "Not judged"
    assert "order-1" not in found[""]


def test_a_whole_request_is_pasted_at_once(people: Any, received: Received) -> None:
    """Headers and body may be pasted together, as a raw request."""
    pasted = received.pasted()
    raw = f"POST /hook HTTP/1.1\n{pasted['headers']}\n\n{pasted['body']}"

    found = judged(people("developer"), {"headers": raw, "body": "", "clock": ""})

    assert (found["Secret"], found["Body"]) == ("Right", "Right")


def test_a_name_that_the_server_changed_is_told(people: Any, received: Received) -> None:
    """Headers are found under CGI's names, and how a library wants them is said."""
    pasted = received.pasted()
    cgi = pasted["headers"].replace("webhook-id", "HTTP_WEBHOOK_ID")

    found = judged(people("developer"), pasted | {"headers": cgi})

    assert "Your server has it as HTTP_WEBHOOK_ID. Hand it to the library as webhook-id." in found[""]


def test_a_test_callback_at_the_live_debugger_is_told(people: Any, received: Received) -> None:
    """The event and the secret are those of the other mode: that is the fault, not that they are unknown."""
    found = judged(people("developer", mode="live"), received.pasted())

    assert (found["Message id"], found["Secret"]) == ("Wrong", "Wrong")
    assert "A secret of the other mode signed this" in found[""]
    assert "This event belongs to the other mode" in found[""]


def test_the_secret_that_the_server_holds_is_compared(people: Any, test_bakery: Cast, received: Received) -> None:
    """Right, of the other mode, retired or nobody's: each is told, and the secret is in no answer."""
    developer, right = people("developer"), received.secret.to_text()
    live = find_mode(test_bakery.merchant.id, "live")
    assert live
    with inside(live.schema):
        _endpoint, other = create_endpoint(live, url="http://127.0.0.1:1/hook", actor="tests", at=datetime.now(UTC))

    def told(secret: str) -> str:
        page = judged(developer, received.pasted() | {"secret": secret})[""]
        assert secret.strip() not in page
        return page

    assert "Your server&#x27;s secret signs this mode." in told(right)
    assert "blanks or quotes" in told(f"'{right}'")
    assert "has the secret of the other mode" in told(other.to_text())
    assert "none of this shop&#x27;s" in told("whsec_" + "QUJD" * 11)
    assert "right. What is wrong is on your server." in told("whsec_" + "QUJD" * 11)
    assert "What is wrong is on your server." not in told(right)
    with inside(live.schema):
        past = datetime.now(UTC) - timedelta(days=1)
        EndpointSecret.objects.filter(endpoint=received.endpoint.id).update(retires_at=past)
    assert "a secret that has retired" in told(right)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("headers", "The headers have more than 20,000 characters"),
        ("body", "The body has more than 20,000 characters"),
        ("secret", "The secret has more than 200 characters"),
        ("clock", "The clock has more than 40 characters"),
    ],
)
def test_what_is_too_long_is_refused(people: Any, web: str, field: str, words: str) -> None:
    """Nobody's callback is that long: the field is named, and the mend."""
    answer = people("developer").does("debug_signature", {"headers": "a: b", field: "7" * 20_001})

    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_what_is_far_too_long_is_not_read(people: Any, web: str) -> None:
    """A request of megabytes is refused before anything is judged."""
    assert people("developer").does("debug_signature", {"headers": "a: b\n" * 1_000_000}).status_code == 400


def test_a_viewer_does_not_debug(people: Any, web: str) -> None:
    """Callbacks are a matter of developers."""
    assert people("viewer").opens("debug_signature").status_code == 403


def test_what_is_pasted_stays_text(people: Any, web: str) -> None:
    """Hostile headers and bodies are shown as text."""
    hostile = "</textarea><script>alert(1)</script>"

    found = judged(people("developer"), {"headers": f"webhook-id: {hostile}", "body": hostile, "clock": ""})

    assert "<script>alert" not in found[""]
    assert found["Message id"] == "Wrong"


def test_a_diagnosis_takes_a_fixed_number_of_queries(
    people: Any,
    test_bakery: Cast,
    received: Received,
) -> None:
    """However many secrets sign, they are read at once."""
    developer = people("developer")

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            judged(developer, received.pasted())
        return len([query for query in queries if not query["sql"].startswith("SET search_path")])

    count()
    few = count()
    with inside(test_bakery.merchant.schema_name):
        for _ in range(3):
            overlap, at = timedelta(days=1), datetime.now(UTC)
            rotate_secret(test_bakery.route, received.endpoint.id, overlap=overlap, actor="tests", at=at)

    assert count() == few
