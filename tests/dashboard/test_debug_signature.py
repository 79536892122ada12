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
from results.endpoints import rotate_secret
from results.models import Endpoint, Event
from tenants.routing import inside
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
    found = re.findall(r'<span class="state[^>]*>(\w[\w ]*)</span>\s*<strong>([^<]*)</strong>', page)
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
    assert re.search(rf"tabular-nums\">{place} ", found[""])
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

    assert re.search("is (399|400) seconds ahead of ours", judged(developer, received.pasted(clock=fast))[""])
    assert developer.does("debug_signature", received.pasted(clock="soon")).status_code == 422


def test_another_merchants_event_is_unknown(people: Any, received: Received, florist: Cast) -> None:
    """The florist learns nothing of the bakery's event: neither its bytes nor that it exists."""
    owner = people("owner", merchant="florist")

    found = judged(owner, received.pasted(body="{}"))

    assert found["Message id"] == "Not judged"
    assert found["Body"] == "Not judged"
    assert "order-1" not in found[""]


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
