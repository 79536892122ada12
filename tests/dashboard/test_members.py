"""Members of a merchant: inviting, roles, leaving, handing over; the trail that each change leaves."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tenants.audit import PAGE
from tenants.fields import new_id
from tenants.invite import OF_A_DAY, make_token
from tenants.invite import invite as ask_to_join
from tenants.members import NotAllowed
from tenants.models import AuditEntry, Invitation, Membership, Merchant, User
from tests.people import NOON, PASSWORD, People, Person
from tests.postbox import Postbox

Do = Callable[[], None]


@pytest.fixture
def baker(database: dict[str, Merchant]) -> Merchant:
    return database["bakery"]


def at(name: str, merchant: Merchant, **more: Any) -> str:
    return reverse(name, kwargs={"merchant": merchant.id, "mode": "live"} | more)


def member_of(merchant: Merchant, person: Person) -> Membership:
    return Membership.objects.get(merchant=merchant, user=person.user)


def role_of(merchant: Merchant, person: Person) -> str:
    return Membership.objects.filter(merchant=merchant, user=person.user).values_list("role", flat=True).first() or ""


def trail(merchant: Merchant) -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.filter(merchant=merchant).order_by("id")
    return list(entries.values_list("actor", "action", "subject"))


def alone(merchant: Merchant) -> None:
    """Leave the owner that the cast was made with out of what may own."""
    Membership.objects.filter(merchant=merchant, user__email__endswith="@bakery.example").update(role="viewer")


@pytest.fixture
def without_first_owner(baker: Merchant) -> Any:
    alone(baker)
    yield
    connection.set_schema_to_public()
    Membership.objects.filter(merchant=baker, user__email__endswith="@bakery.example").update(role="owner")


def link_in(letter: Any) -> str:
    found = re.search(r"^https?://[^/]+(/\S+?)\s*$", letter.get_content(), re.M)
    assert found
    return found[1]


def invite(owner: Person, merchant: Merchant, email: str, role: str = "viewer") -> Any:
    return owner.post(at("member_invite", merchant), {"email": email, "role": role})


def test_a_new_person_joins_by_the_letter_alone(
    people: People,
    baker: Merchant,
    postbox: Postbox,
    do_jobs: Do,
) -> None:
    """Who is invited signs up with the invited address, needs no second letter, and joins with the invited role."""
    owner, new = people("mina", baker), Person()
    invite(owner, baker, "Jun@New.example", "developer")
    do_jobs()
    path = link_in(postbox.letters[0])

    shown = new.get(path).content.decode()
    signed_up = new.post("/accounts/signup/", {"email": "jun@new.example", "password1": PASSWORD, "next": path})
    joined = new.post(path)

    assert "bakery" in shown
    assert signed_up.url == path
    assert joined.url == at("home", baker)
    assert Membership.objects.get(merchant=baker, user__email="jun@new.example").role == "developer"
    assert len(postbox.letters) == 1
    assert new.get(path).status_code == 410


def test_an_existing_person_joins_a_second_merchant(
    people: People,
    baker: Merchant,
    database: dict[str, Merchant],
    postbox: Postbox,
    do_jobs: Do,
) -> None:
    """One person may belong to several merchants and switch between them."""
    florist = database["florist"]
    owner, jun = people("mina", baker), people("jun", florist, "admin")
    invite(owner, baker, jun.email)
    do_jobs()

    jun.post(link_in(postbox.letters[0]))
    page = jun.get(at("members", baker)).content.decode()

    assert role_of(baker, jun) == "viewer"
    assert role_of(florist, jun) == "admin"
    assert trail(baker)[-1] == (jun.email, "member.joined", jun.email)
    assert page.count("bakery") > 0


def test_the_queue_carries_the_invitations_id_alone(people: People, baker: Merchant) -> None:
    """Neither the address nor the link lies in the queue."""
    invite(people("mina", baker), baker, "jun@new.example")

    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM public.pgqueuer")
        [(payload,)] = cursor.fetchall()
    assert set(json.loads(bytes(payload))) == {"id", "invitation"}
    assert b"@" not in bytes(payload)


def test_an_invitation_is_for_its_address_only(people: People, baker: Merchant) -> None:
    """Whoever else gets hold of the link cannot use it, not even with an account."""
    owner, thief = people("mina", baker), people("thief")
    invite(owner, baker, "jun@new.example")
    path = reverse("invited", args=[make_token(Invitation.objects.get())])

    assert thief.get(path).status_code == 403
    assert thief.post(path).status_code == 403
    assert role_of(baker, thief) == ""


@pytest.mark.parametrize("ended", ["lapsed", "withdrawn", "replaced", "forged"])
def test_an_ended_invitation_leads_nowhere(people: People, baker: Merchant, ended: str) -> None:
    """A link that lapsed, was withdrawn, was replaced by a newer one or was never ours opens nothing."""
    owner, jun = people("mina", baker), people("jun")
    invite(owner, baker, jun.email)
    invitation = Invitation.objects.get()
    path = reverse("invited", args=[make_token(invitation)])
    match ended:
        case "lapsed":
            Invitation.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        case "withdrawn":
            owner.post(at("invitation_withdraw", baker, invitation=invitation.id))
        case "replaced":
            invite(owner, baker, jun.email, "admin")
        case "forged":
            path = reverse("invited", args=["x" + make_token(invitation)])

    assert jun.get(path).status_code == 410
    assert jun.post(path).status_code == 410
    assert role_of(baker, jun) == ""


def test_an_invitation_is_answered_alike_for_known_and_unknown(people: People, baker: Merchant) -> None:
    """Inviting does not tell whether an address has an account here."""
    owner, known = people("mina", baker), people("jun")

    answers = [invite(owner, baker, email) for email in (known.email, "nobody@new.example")]

    assert [(answer.status_code, answer.url) for answer in answers] == [(302, at("members", baker))] * 2


def test_a_bad_address_is_named_and_kept(people: People, baker: Merchant) -> None:
    """What cannot be an address comes back in the form, escaped, with the mend."""
    response = invite(people("mina", baker), baker, '"><script>alert(1)</script>')

    text = response.content.decode()
    assert response.status_code == 422
    assert "name@shop.example.com" in text
    assert "<script>alert" not in text
    assert Invitation.objects.count() == 0


DEEDS = ("member_invite", "member_role", "member_remove", "member_ownership", "invitation_withdraw")


def attempts(merchant: Merchant, target: Membership, invitation: Invitation) -> dict[str, tuple[str, dict[str, str]]]:
    """Every change of who belongs to a merchant, as a form would send it."""
    return {
        "member_invite": (at("member_invite", merchant), {"email": "x@new.example", "role": "viewer"}),
        "member_role": (at("member_role", merchant, member=target.id), {"role": "viewer"}),
        "member_remove": (at("member_remove", merchant, member=target.id), {}),
        "member_ownership": (at("member_ownership", merchant, member=target.id), {}),
        "invitation_withdraw": (at("invitation_withdraw", merchant, invitation=invitation.id), {}),
    }


@pytest.mark.parametrize("role", ["viewer", "developer"])
@pytest.mark.parametrize("deed", DEEDS)
def test_low_roles_change_nothing(people: People, baker: Merchant, role: str, deed: str) -> None:
    """A viewer or a developer sees who belongs here, and changes nothing of it."""
    owner, low, jun = people("mina", baker), people("low", baker, role), people("jun", baker, "developer")
    invite(owner, baker, "open@new.example")
    invitation, before = Invitation.objects.get(), trail(baker)

    path, form = attempts(baker, member_of(baker, jun), invitation)[deed]

    assert low.get(at("members", baker)).status_code == 200
    assert "<select" not in low.get(at("members", baker)).content.decode()
    assert low.post(path, form).status_code == 403
    assert trail(baker) == before
    assert role_of(baker, jun) == "developer"


@pytest.mark.parametrize("deed", [*DEEDS, "members", "member_leave", "audit"])
def test_strangers_find_nothing(
    people: People,
    baker: Merchant,
    database: dict[str, Merchant],
    deed: str,
) -> None:
    """A member of the florist gets 404 on every page of the bakery; so does one without any merchant."""
    owner, other, nobody = people("mina", baker), people("rose", database["florist"]), people("nobody")
    invite(owner, baker, "open@new.example")
    pages = attempts(baker, member_of(baker, owner), Invitation.objects.get())

    for stranger in (other, nobody):
        if deed in pages:
            assert stranger.post(*pages[deed]).status_code == 404
        else:
            assert stranger.get(at(deed, baker)).status_code == 404


def test_rows_of_another_merchant_are_out_of_reach(
    people: People,
    baker: Merchant,
    database: dict[str, Merchant],
) -> None:
    """An owner of the florist cannot name the bakery's members or invitations under the florist's own pages."""
    owner, rose = people("mina", baker), people("rose", database["florist"])
    invite(owner, baker, "open@new.example")

    paths = attempts(database["florist"], member_of(baker, owner), Invitation.objects.get())

    rose.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for deed in DEEDS[1:]:
        assert rose.post(*paths[deed]).status_code == 404
    assert role_of(baker, owner) == "owner"


def test_an_admin_does_not_touch_owners(people: People, baker: Merchant) -> None:
    """Admins manage everybody but owners, and make none."""
    owner, admin, jun = people("mina", baker), people("adam", baker, "admin"), people("jun", baker, "viewer")

    assert (
        admin.post(at("member_role", baker, member=member_of(baker, owner).id), {"role": "viewer"}).status_code == 403
    )
    assert admin.post(at("member_remove", baker, member=member_of(baker, owner).id)).status_code == 403
    assert admin.post(at("member_role", baker, member=member_of(baker, jun).id), {"role": "owner"}).status_code == 403
    assert invite(admin, baker, "boss@new.example", "owner").status_code == 422
    assert (
        admin.post(at("member_role", baker, member=member_of(baker, jun).id), {"role": "developer"}).status_code == 302
    )
    assert role_of(baker, jun) == "developer"
    assert trail(baker)[-1] == (admin.email, "member.role_changed", jun.email)


def test_the_last_owner_stays(people: People, baker: Merchant, without_first_owner: None) -> None:
    """The last owner can neither leave nor be removed nor lowered, and is told what to do."""
    owner = people("mina", baker)
    people("adam", baker, "admin")
    own = member_of(baker, owner).id

    left = owner.post(at("member_leave", baker), follow=True)
    owner.post(at("member_remove", baker, member=own))
    owner.post(at("member_role", baker, member=own), {"role": "viewer"})

    assert role_of(baker, owner) == "owner"
    assert "소유자" in str(*left.context["messages"])
    assert trail(baker) == []


def test_ownership_is_handed_over_after_the_password(
    people: People,
    baker: Merchant,
    without_first_owner: None,
) -> None:
    """Handing over asks for the password first; the heir owns, the giver is an admin and may then leave."""
    owner, heir = people("mina", baker), people("jun", baker, "developer")
    path = at("member_ownership", baker, member=member_of(baker, heir).id)

    asked = owner.post(path)
    before = role_of(baker, heir)
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = owner.get(path)
    owner.post(path)
    owner.post(at("member_leave", baker))

    assert "/accounts/reauthenticate/" in asked.url
    assert before == "developer"
    assert page.status_code == 200
    assert (role_of(baker, heir), role_of(baker, owner)) == ("owner", "")
    assert [action for _, action, _ in trail(baker)] == ["member.ownership_handed_over", "member.left"]


def test_who_was_removed_is_out_at_once(people: People, baker: Merchant) -> None:
    """A removed member's next page is a 404."""
    owner, jun = people("mina", baker), people("jun", baker, "viewer")

    owner.post(at("member_remove", baker, member=member_of(baker, jun).id))

    assert jun.get(at("members", baker)).status_code == 404
    assert trail(baker) == [(owner.email, "member.removed", jun.email)]


def test_the_list_asks_as_often_for_many_as_for_few(people: People, baker: Merchant) -> None:
    """The number of queries does not grow with the members."""
    owner = people("mina", baker)
    counts = []
    for number in range(2):
        owner.get(at("members", baker))
        with CaptureQueriesContext(connection) as few:
            owner.get(at("members", baker))
        counts.append(len(few))
        for more in range(5):
            people(f"m{number}{more}", baker, "viewer")

    assert counts[0] == counts[1]


def entry(merchant: Merchant, number: int, action: str = "retention.changed") -> AuditEntry:
    moment = NOON + timedelta(seconds=number // 3)  # several at one moment
    return AuditEntry(id=new_id(), merchant=merchant, at=moment, actor="tests", action=action, subject=f"no-{number}-")


def test_the_trail_is_read_a_page_at_a_time(people: People, baker: Merchant) -> None:
    """Newest first, each entry once, whatever is added meanwhile."""
    viewer = people("low", baker, "viewer")
    AuditEntry.objects.bulk_create([entry(baker, number) for number in range(PAGE * 2 + 7)])
    seen: list[str] = []
    path = at("audit", baker)
    while path:
        text = viewer.get(path).content.decode()
        seen += re.findall(r"no-(\d+)-", text)
        AuditEntry.objects.bulk_create([entry(baker, 1000 + len(seen))])
        older = re.search(r'href="(\?after=[^"]+)"', text)
        path = at("audit", baker) + older[1] if older else ""

    assert [int(number) for number in seen] == list(reversed(range(PAGE * 2 + 7)))


def test_the_trail_shows_hostile_words_as_words(
    people: People,
    baker: Merchant,
    database: dict[str, Merchant],
) -> None:
    """Subjects and details are escaped, unknown deeds are shown by their code, and nobody else's entries are there."""
    viewer = people("low", baker, "viewer")
    hostile = AuditEntry(
        merchant=baker, at=NOON, actor="tests", action="odd.deed", subject="<b>x</b>", detail={"<i>": "<u>"}
    )
    AuditEntry.objects.bulk_create([hostile, entry(database["florist"], 77)])

    text = viewer.get(at("audit", baker)).content.decode()

    assert "&lt;b&gt;x" in text
    assert "&lt;i&gt;: &lt;u&gt;" in text
    assert "odd.deed" in text
    assert "no-77-" not in text


@pytest.mark.parametrize(
    "mark", ["x", "~", "2026-11-21T00:00:00~" + "0" * 32, "2026-11-21T00:00:00Z~zz", "%00~", "9" * 400]
)
def test_a_mark_of_no_place_is_a_404(people: People, baker: Merchant, mark: str) -> None:
    """A mark that we never gave out is a missing page, not an error."""
    assert people("low", baker, "viewer").get(at("audit", baker), {"after": mark}).status_code == 404


def test_nobody_is_let_in_without_signing_in(people: People, baker: Merchant) -> None:
    """Without a session each page leads to the sign-in."""
    cache.clear()
    for name in ("members", "member_leave", "audit"):
        assert Client().get(at(name, baker)).url.startswith("/accounts/login/?next=")


def test_who_makes_an_owner_gives_the_password(people: People, baker: Merchant) -> None:
    """A session that was left open gives no shop away: not by a role, and not by an invitation."""
    owner, jun = people("mina", baker), people("jun", baker, "viewer")
    role = at("member_role", baker, member=member_of(baker, jun).id)

    asked = [owner.post(role, {"role": "owner"}), invite(owner, baker, "co@new.example", "owner")]
    before = (role_of(baker, jun), Invitation.objects.count())
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD})
    owner.post(role, {"role": "owner"})
    invite(owner, baker, "co@new.example", "owner")

    assert all("/accounts/reauthenticate/" in answer.url for answer in asked)
    assert before == ("viewer", 0)
    assert role_of(baker, jun) == "owner"
    assert Invitation.objects.get().role == "owner"


@pytest.mark.parametrize("deed", ["removed", "lowered"])
def test_who_is_out_has_no_way_back(people: People, baker: Merchant, deed: str) -> None:
    """Invitations end with the role that could give them: nobody comes in by one who may let nobody in."""
    owner, adam, alt = people("mina", baker), people("adam", baker, "admin"), people("alt")
    invite(adam, baker, alt.email, "admin")
    path = reverse("invited", args=[make_token(Invitation.objects.get())])

    if deed == "removed":
        owner.post(at("member_remove", baker, member=member_of(baker, adam).id))
    else:
        owner.post(at("member_role", baker, member=member_of(baker, adam).id), {"role": "developer"})

    assert alt.post(path).status_code == 410
    assert role_of(baker, alt) == ""
    assert (owner.email, "member.invitation_withdrawn", alt.email) in trail(baker)


def test_invitations_that_may_still_be_given_stay(people: People, baker: Merchant) -> None:
    """An owner who becomes an admin still invites viewers, and no owners."""
    owner, second = people("mina", baker), people("jun", baker)
    second.post("/accounts/reauthenticate/", {"password": PASSWORD})
    invite(second, baker, "v@new.example")
    invite(second, baker, "o@new.example", "owner")

    owner.post(at("member_role", baker, member=member_of(baker, second).id), {"role": "admin"})

    assert [one.email for one in Invitation.objects.filter(withdrawn_at=None)] == ["v@new.example"]


def test_nobody_who_is_locked_out_becomes_the_owner(people: People, baker: Merchant, without_first_owner: None) -> None:
    """A shop keeps an owner who can sign in."""
    owner, locked = people("mina", baker), people("jun", baker, "viewer")
    User.objects.filter(id=locked.user.id).update(is_active=False)
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD})

    answer = owner.post(at("member_ownership", baker, member=member_of(baker, locked).id))

    assert answer.status_code == 403
    assert role_of(baker, owner) == "owner"


def test_nobody_who_is_locked_out_is_made_an_owner(people: People, baker: Merchant) -> None:
    """Nor by a change of role."""
    owner, locked = people("mina", baker), people("jun", baker, "viewer")
    User.objects.filter(id=locked.user.id).update(is_active=False)
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD})

    answer = owner.post(at("member_role", baker, member=member_of(baker, locked).id), {"role": "owner"})

    assert answer.status_code == 403
    assert role_of(baker, locked) == "viewer"


def test_an_owners_invitation_is_an_owners(people: People, baker: Merchant) -> None:
    """An admin neither withdraws who is invited as an owner, nor invites them to less."""
    owner, admin = people("mina", baker), people("adam", baker, "admin")
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD})
    invite(owner, baker, "heir@new.example", "owner")
    sent = Invitation.objects.get()

    assert admin.post(at("invitation_withdraw", baker, invitation=sent.id)).status_code == 403
    assert invite(admin, baker, "heir@new.example", "viewer").status_code in (403, 422)
    assert [(one.role, one.withdrawn_at) for one in Invitation.objects.all()] == [("owner", None)]


def test_a_stranger_is_not_written_to_without_end(people: People, baker: Merchant) -> None:
    """Inviting the same address again and again sends no more letters than inviting many."""
    owner = people("mina", baker)

    answers = [invite(owner, baker, "victim@new.example").status_code for _ in range(OF_A_DAY + 1)]

    assert answers == [302] * OF_A_DAY + [422]


@pytest.mark.parametrize("mark", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"])
def test_a_mark_at_the_end_of_time_is_no_place(people: People, baker: Merchant, mark: str) -> None:
    """A mark that no clock can read is not found, and no fault of ours."""
    answer = people("mina", baker).get(f"{at('audit', baker)}?after={mark}~{'0' * 32}")

    assert answer.status_code == 404


def test_who_was_removed_meanwhile_invites_nobody(people: People, baker: Merchant) -> None:
    """The role counts at the moment of the deed: a form that was under way opens no way back."""
    owner, adam = people("mina", baker), people("adam", baker, "admin")
    owner.post(at("member_remove", baker, member=member_of(baker, adam).id))

    with pytest.raises(NotAllowed):
        ask_to_join(baker, email="alt@new.example", role="admin", by=adam.user, at=NOON)

    assert Invitation.objects.count() == 0
