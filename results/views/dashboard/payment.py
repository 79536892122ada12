"""One payment: its story, its facts, and what a member may do about it."""

from datetime import UTC, datetime
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from results.core.ids import decode, encode
from results.core.replay import Wish
from results.duties import owe_question
from results.models import Endpoint, Event, Payment
from results.replay import begin_replay, plan_replay
from results.resolve import LONGEST_REASON, Decision, NotUnderReview, resolve_review
from results.story import tell_story
from results.views.dashboard.payment_facts import draw_facts, draw_review, part_of, read_payment
from results.views.dashboard.payment_raw import Kind, draw_attempt, open_raw
from results.views.dashboard.payment_story import draw_ahead, draw_story
from results.views.dashboard.payments import is_part, note
from tenants.access import Place, Role, member_page
from tenants.models import Credential
from tenants.pages import draw
from tenants.routing import Route


class ReviewForm(forms.Form):
    """What a member decided about a review, and why."""

    decision = forms.ChoiceField(choices=[(Decision.ACCEPT.value, ""), (Decision.REJECT.value, "")])
    reason = forms.CharField(
        label=_("Your reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea({"rows": 2, "class": "w-full"}),
        error_messages={
            "required": _("Write in one sentence why you decide so. It is kept, and told to your shop."),
            "max_length": _("Write at most %(limit_value)d characters; it has %(show_value)d."),
        },
    )


@member_page()
@require_GET
def payment(request: HttpRequest, place: Place, payment: UUID) -> HttpResponse:
    """Show what happened to a payment, and what is known of it now."""
    return draw_payment(request, place, find_payment(place, payment), ReviewForm(auto_id="review-%s"))


@member_page(Role.ADMIN)
@require_POST
def payment_review(request: HttpRequest, place: Place, payment: UUID) -> HttpResponse:
    """End a review as a member decided."""
    row = find_payment(place, payment)
    form = ReviewForm(request.POST, auto_id="review-%s")
    if not form.is_valid():
        return draw_payment(request, place, row, form, status=422)
    decision, reason = Decision(form.cleaned_data["decision"]), form.cleaned_data["reason"]
    try:
        at, actor = datetime.now(UTC), place.user.email
        resolve_review(place.route, payment, decision=decision, reason=reason, actor=actor, at=at)
    except NotUnderReview:
        messages.error(request, _("This review has ended already. Nothing was changed."))
    else:
        accepted = decision == Decision.ACCEPT
        messages.success(request, _("The payment counts now.") if accepted else _("The payment does not count."))
    return back_to(place, payment)


@member_page(Role.DEVELOPER)
@require_POST
def payment_replay(request: HttpRequest, place: Place, payment: UUID, event: UUID) -> HttpResponse:
    """Tell one event of a payment again: to one endpoint, or to all that listen to it."""
    row = find_payment(place, payment)
    if not Event.objects.filter(id=event, order=row.order_id, mode=place.route.mode).exists():
        raise Http404("no such event")
    wish, at = Wish(event=event, endpoint=find_endpoint(place, request.POST.get("endpoint", ""))), datetime.now(UTC)
    plan = plan_replay(place.route, wish, at=at)
    if not plan.deliveries:
        messages.error(request, _("No endpoint listens to this event. Add one that does, and send it again."))
        return back_to(place, payment)
    begin_replay(place.route, wish, actor=place.user.email, at=at)
    if all(share.held for share in plan.shares if share.deliveries):
        messages.warning(request, _("It is noted. The endpoint does not listen now, and is told when it is back."))
    else:
        messages.success(request, _("It is sent again within seconds. Reload this page to see the answer."))
    return back_to(place, payment)


@member_page(Role.DEVELOPER)
@require_POST
def payment_ask(request: HttpRequest, place: Place, payment: UUID) -> HttpResponse:
    """Ask PortOne again what became of a payment: the question is due now, and a worker puts it."""
    row = find_payment(place, payment)
    if row.imp_uid is None:
        raise Http404("PortOne has no number for it")
    at = datetime.now(UTC)
    with transaction.atomic():
        owe_question(
            merchant=place.route.merchant_id, mode=place.route.mode, lane=place.route.lane, payment=row.id, due_at=at
        )
        note(place, "payment.asked", subject=encode("pay", row.id), at=at)
    if keys_are_refused(place.route):
        messages.warning(request, _("It is noted. PortOne refuses your keys: put in new ones, then it is asked."))
    else:
        messages.success(request, _("PortOne is asked again within seconds. Reload this page to see its answer."))
    return back_to(place, payment)


@member_page()
@require_GET
def payment_attempt(request: HttpRequest, place: Place, payment: UUID, attempt: UUID) -> HttpResponse:
    """Show one request to the shop, and its answer."""
    row = find_payment(place, payment)
    shown = draw_attempt(row, attempt)
    if shown is None:
        raise Http404("no such attempt")
    template = "_attempt.html" if is_part(request) else "attempt.html"
    return draw(request, f"dashboard/payments/{template}", place, here="payments", payment=row, attempt=shown)


@member_page(Role.ADMIN)
@require_POST
def payment_raw(request: HttpRequest, place: Place, payment: UUID, kind: Kind, row: UUID) -> HttpResponse:
    """Open what is kept sealed of an arrival or an answer, masked; who did so is written down."""
    known = find_payment(place, payment)
    name = encode("pay", known.id)
    text = open_raw(place.route, name, kind, row, actor=place.user.email, at=datetime.now(UTC))
    if text is None:
        raise Http404("nothing is kept of it")
    template = "_raw.html" if is_part(request) else "raw.html"
    return draw(request, f"dashboard/payments/{template}", place, here="payments", payment=known, text=text)


def find_endpoint(place: Place, name: str) -> UUID | None:
    """Return the endpoint that a form names, None when it names none; one of somebody else's is not there."""
    if not name:
        return None
    id = decode(name, prefix="end")
    if id is None or not Endpoint.objects.filter(id=id, mode=place.route.mode).exists():
        raise Http404("no such endpoint")
    return id


def keys_are_refused(route: Route) -> bool:
    refused = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode).exclude(refused_at=None)
    return refused.exists()


def find_payment(place: Place, id: UUID) -> Payment:
    row = read_payment(place.route, id)
    if row is None:
        raise Http404("no such payment")
    return row


def draw_payment(
    request: HttpRequest, place: Place, row: Payment, form: ReviewForm, *, status: int = 200
) -> HttpResponse:
    name = encode("pay", row.id)
    story = tell_story(place.route, name, at=datetime.now(UTC))
    part = part_of(story, name) if story else None
    if story is None or part is None:
        raise Http404("no such payment")
    return draw(
        request,
        "dashboard/payments/payment.html",
        place,
        status=status,
        here="payments",
        payment=row,
        facts=draw_facts(row, part, story.order),
        review=draw_review(row, part, story.order),
        form=form,
        entries=draw_story(story),
        ahead=draw_ahead(story),
        left_out=story.left_out,
        may_replay=place.may(Role.DEVELOPER),
        may_ask=place.may(Role.DEVELOPER) and row.imp_uid is not None,
        may_decide=place.may(Role.ADMIN),
    )


def back_to(place: Place, payment: UUID) -> HttpResponse:
    """Send the browser back to the payment, so that a reload does nothing twice."""
    return redirect("payment", place.membership.merchant_id, place.route.mode, payment)
