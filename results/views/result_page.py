"""What the customer sees after paying. Needs no session, no cookie and no script, and never asks PortOne."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.http import require_safe

from results.core.claim import Claim
from results.core.deadline import Language, write_deadline
from results.core.ids import encode
from results.core.money import InexactAmount, Money, UnknownCurrency, major, to_minor, written
from results.core.page import PATIENCE, KnownPayment, Page, PageState, compose_page, page_ends_at
from results.core.return_link import ReturnClaims, ReturnKey, sign_return
from results.core.snapshot import Snapshot
from results.core.words import PaymentStatus
from results.models import Notification, Payment, Verification
from results.publish import SETTLED_WELL
from results.views.brand import logo_address, style_address
from results.views.opaque import decode_page, encode_page
from tenants.models import MerchantKey
from tenants.routing import Route, find_mode, inside, twice_if_cut_off

CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LANGUAGES: Final[dict[str, str]] = {"ko": "한국어", "en": "English"}
REFRESH_SECONDS: Final = 3  # for browsers without scripts
FORWARD_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """A landing's page with what its links need."""

    route: Route
    page: Page
    payment: Payment | None
    waited_long: bool = False
    stays: bool = False  # the customer asked not to be sent back


def see_page(route: Route, page: UUID) -> HttpResponse:
    """Send the browser to a page of its own; nothing about the payment stands in the address."""
    response = HttpResponseRedirect(f"{settings.RESULT_URL}/r/{encode_page(route.merchant_id, page)}")
    response.status_code = 303
    return close_doors(response)


def could_not_record(request: HttpRequest, route: Route) -> HttpResponse:
    """Tell the customer that we are at fault, that the payment is unharmed, and to try this again."""
    return draw(request, Shown(route, Page(PageState.NOT_RECORDED), None), at=datetime.now(UTC), status=503)


@require_safe
def result_page(request: HttpRequest, opaque: str) -> HttpResponse:
    """Show what is known of a landing's payment now."""
    at = datetime.now(UTC)
    shown = replace(look_up(opaque, at=at), stays="stay" in request.GET)
    status = 410 if shown.page.state == PageState.ENDED else 200
    return draw(request, shown, at=at, opaque=opaque, status=status)


@require_safe
def result_status(request: HttpRequest, opaque: str) -> HttpResponse:
    """Answer the page's own question whether anything has changed: `{"state", "settled"}`, or 304."""
    page = look_up(opaque, at=datetime.now(UTC)).page
    tag = '"' + hashlib.sha256(f"{page.state}{page.discloses}".encode()).hexdigest()[:16] + '"'
    # A proxy that compresses makes the tag a weak one.
    if request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
        response = HttpResponse(status=304)
    else:
        response = JsonResponse({"state": page.state, "settled": page.state.is_settled})
    response["ETag"] = tag
    close_doors(response)
    response["Cache-Control"] = "private, no-cache"
    return response


@require_safe
def result_return(request: HttpRequest, opaque: str) -> HttpResponse:
    """Send the customer back to the shop, with a return that is signed at this click."""
    at = datetime.now(UTC)
    shown = look_up(opaque, at=at)
    if not shown.route.return_urls:
        raise Http404
    response = HttpResponseRedirect(return_address(shown, at=at))
    response.status_code = 303
    return close_doors(response)


def return_address(shown: Shown, *, at: datetime) -> str:
    """Return where the shop's button leads: signed if there is something to sign and a key."""
    url, claims = return_url_of(shown), claims_of(shown)
    key = return_key(shown.route, at=at) if claims else None
    return sign_return(url, claims, key=key, at=at, nonce=new_nonce()) if claims and key else url


def claims_of(shown: Shown) -> ReturnClaims | None:
    """Return what is signed for the shop: the payment if it may be disclosed, else at most that nothing is settled."""
    payment = shown.payment
    if shown.page.discloses and payment:
        return ReturnClaims(
            status=payment.status,
            livemode=shown.route.livemode,
            order=payment.order.merchant_uid,
            payment=encode("pay", payment.id),
            money=shown.page.money,
            sequence=payment.order.sequence or None,
        )
    if shown.page.state == PageState.CONFIRMING:
        return ReturnClaims(status=PaymentStatus.PENDING, livemode=shown.route.livemode)
    return None


def new_nonce() -> str:
    """Return what lets a shop accept a signature once only."""
    return secrets.token_hex(8)


def return_url_of(shown: Shown) -> str:
    """Return where customers go back to: the order's choice while it is still registered, else the first."""
    chosen = shown.payment.order.return_url if shown.payment and shown.page.discloses else ""
    return chosen if chosen in shown.route.return_urls else shown.route.return_urls[0]


def return_key(route: Route, *, at: datetime) -> ReturnKey | None:
    """Open the key with which this merchant's returns are signed now; None before the merchant has one.

    While one retires, the shop may not know its successor yet: so the one that retires first, else the newest.
    """
    keys = MerchantKey.objects.filter(merchant=route.merchant_id, mode=route.mode, purpose=MerchantKey.Purpose.RETURN)
    usable = keys.filter(Q(retired_at=None) | Q(retired_at__gt=at))
    row = usable.order_by(F("retired_at").asc(nulls_last=True), "-created_at").first()
    if row is None:
        return None
    key = route.open_vault().open(bytes(row.sealed), table="tenants_merchantkey", field="sealed", row=row.id)
    return ReturnKey(kid=row.kid, key=key.decode())


def look_up(opaque: str, *, at: datetime) -> Shown:
    """Load a page, on a fresh connection if the lasting one was cut: a customer meets no fault of ours."""
    return twice_if_cut_off(partial(load, opaque, at=at))


def load(opaque: str, *, at: datetime) -> Shown:
    """Find the landing behind an address and what is known of its payment; Http404 for one we never made.

    Only we can hide a merchant's id in an address, so a landing that is missing there was forgotten: its page ended.
    """
    found = decode_page(opaque)
    merchant = find_mode(found[0], "live") if found else None
    if found is None or merchant is None:
        raise Http404
    with inside(merchant.schema):
        notification = Notification.objects.filter(page=found[1]).first()
        if notification is None:
            return Shown(merchant, Page(PageState.ENDED), None)
        claim = Claim.from_json(notification.imp_uid, notification.merchant_uid, notification.claim)
        payment = find_payment(notification.mode, claim)
        known = known_payment(payment) if payment else None
        if at >= page_ends_at(notification.received_at, known):
            page = Page(PageState.ENDED)
        else:
            settled = notification.settled_at is not None
            page = compose_page(claim, known, answered=was_answered(notification), settled=settled, at=at)
    route = find_mode(found[0], notification.mode)
    if route is None:  # the merchant was closed meanwhile
        raise Http404
    return Shown(route, page, payment, waited_long=at >= notification.received_at + PATIENCE)


def find_payment(mode: str, claim: Claim) -> Payment | None:
    """Return the payment that a landing names; without a payment id the one that paid its order, else the newest."""
    payments = Payment.objects.select_related("order").filter(mode=mode)
    if claim.imp_uid:
        return payments.filter(imp_uid=claim.imp_uid).first() or _claimed_payment(mode, claim)
    tries = list(payments.filter(order__merchant_uid=claim.merchant_uid).order_by("first_seen_at", "id"))
    return next((one for one in tries if one.status in SETTLED_WELL), tries[-1] if tries else None)


def _claimed_payment(mode: str, claim: Claim) -> Payment | None:
    return (
        Payment.objects.select_related("order")
        .filter(mode=mode, imp_uid=None, order__merchant_uid=claim.merchant_uid)
        .first()
    )


def known_payment(payment: Payment) -> KnownPayment:
    snapshot = Snapshot.from_json(payment.snapshot) if payment.snapshot else None
    return KnownPayment(
        imp_uid=payment.imp_uid,
        merchant_uid=payment.order.merchant_uid,
        status=PaymentStatus(payment.status),
        told_type=payment.told_type,
        verified=snapshot is not None,
        money=_money(snapshot) if snapshot else None,
        virtual_account=snapshot.virtual_account if snapshot else None,
        fail_reason=snapshot.fail_reason if snapshot else None,
        started_at=snapshot.started_at if snapshot else None,
        money_moved=payment.money_moved,
    )


def _money(snapshot: Snapshot) -> Money | None:
    try:
        return to_minor(snapshot.amount, snapshot.currency)
    except (InexactAmount, UnknownCurrency):
        return None


def was_answered(notification: Notification) -> bool:
    """Say whether PortOne answered a question that was sent after this landing came."""
    about = {"imp_uid": notification.imp_uid}
    if not notification.imp_uid:  # an answer about one try says nothing about the others
        about = {"merchant_uid": notification.merchant_uid, "question": Verification.Question.FIND_ALL}
    answered = (Verification.Answer.FOUND, Verification.Answer.UNKNOWN)
    return Verification.objects.filter(
        mode=notification.mode, asked_at__gte=notification.received_at, answer__in=answered, **about
    ).exists()


def draw(request: HttpRequest, shown: Shown, *, at: datetime, opaque: str = "", status: int = 200) -> HttpResponse:
    """Draw the page in the customer's language."""
    language = choose_language(request, shown.route)
    with translation.override(language):
        context = context_of(shown, opaque=opaque, language=language, at=at)
        response = render(request, "results/result_page.html", context, status=status)
    response["Content-Language"] = language
    response["Vary"] = "Accept-Language"
    return close_doors(response)


def context_of(shown: Shown, *, opaque: str, language: Language, at: datetime) -> dict[str, Any]:
    """Return what the template shows; nothing here comes from a parameter of the landing."""
    route, page = shown.route, shown.page
    account, urls = page.virtual_account, route.return_urls
    deadline = account.expires_at if account else None
    asking = page.state == PageState.CONFIRMING and not shown.waited_long
    # Only from what is paid: whoever has to read something, or to act, goes back by a click.
    forwards = route.forwards and page.state == PageState.PAID and opaque and urls
    return {
        "state": page.state.value,
        "merchant_name": route.brand_name or route.name,
        "colours": style_address(route),
        "logo": logo_address(route),
        "livemode": route.livemode,
        "amount": written(page.money) if page.money else None,
        "amount_plain": str(major(page.money)) if page.money else None,
        "order_id": shown.payment.order.merchant_uid if shown.payment and page.discloses else None,
        "account": account,
        "deadline": write_deadline(deadline, at=at, language=language) if deadline else None,
        "fail_reason": page.fail_reason,
        "waited_long": shown.waited_long,
        "refresh_seconds": REFRESH_SECONDS if asking and opaque else None,
        "switch_to": other_language(language) if opaque and route.language not in LANGUAGES else None,
        "status_address": f"/r/{opaque}/status" if opaque else None,
        "return_address": (f"/r/{opaque}/return" if opaque else urls[0]) if urls else None,
        "forward_seconds": FORWARD_SECONDS if forwards and not shown.stays else None,
        "is_kept": bool(forwards),
        "return_host": urlsplit(return_url_of(shown)).hostname if urls else None,
    }


def choose_language(request: HttpRequest, route: Route) -> Language:
    """Return the merchant's choice, else the customer's: address, then browser. Reads no cookie."""
    asked = [route.language, request.GET.get("lang", "")]
    accepted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    asked += [code.partition("-")[0] for code, _ in accepted]
    return cast(Language, next((code for code in asked if code in LANGUAGES), settings.LANGUAGE_CODE))


def other_language(language: Language) -> dict[str, str]:
    """Return the language that the page offers beside its own."""
    code = next(code for code in LANGUAGES if code != language)
    return {"code": code, "name": LANGUAGES[code]}


def close_doors(response: HttpResponse) -> HttpResponse:
    """Keep the page out of caches, indexes, frames and other people's referrer logs."""
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    response["Content-Security-Policy"] = CSP
    return response
