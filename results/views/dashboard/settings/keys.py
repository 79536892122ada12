"""The keys we hand out: of our API, those that sign orders and returns, and those that stand in our addresses."""

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from results.views.dashboard.settings.forms import ApiKeyForm, OverlapForm
from results.views.dashboard.settings.pages import confirmed, done, now, show, show_secret
from results.wording import in_words
from tenants.access import Place, Role, member_page
from tenants.keys import BadKeyChange, make_api_key, revoke_api_key, rotate_key
from tenants.models import ApiKey, MerchantKey, RouteKey
from tenants.onboarding import retire_route_key, rotate_route_key
from tenants.scopes import SCOPES

PATHS: Final = {
    RouteKey.Kind.BROWSER: ("/m/{}/complete", "/m/{}/confirm"),
    RouteKey.Kind.WEBHOOK: ("/webhook/{}",),
}


@require_safe
@member_page()
def keys(request: HttpRequest, place: Place) -> HttpResponse:
    """Show every key by name and age; what they say is never shown again."""
    return show_keys(request, place)


def show_keys(request: HttpRequest, place: Place, **forms: Any) -> HttpResponse:
    mine, at = {"merchant": place.membership.merchant, "mode": place.route.mode}, now()
    signing = MerchantKey.objects.filter(Q(retired_at=None) | Q(retired_at__gt=at), **mine).defer("sealed")
    open_keys = ApiKey.objects.filter(**mine, revoked_at=None)
    route_keys = RouteKey.objects.filter(Q(works_until=None) | Q(works_until__gt=at), **mine)
    facts: dict[str, Any] = {
        "api_keys": [(key, words_of(key)) for key in open_keys.order_by("-created_at")],
        "at": at,
        "signing_keys": signing.order_by("purpose", "-created_at"),
        "route_keys": [(key, addresses_of(key)) for key in route_keys.order_by("kind", "-works_until", "created_at")],
        "form": ApiKeyForm(),
        "order_form": OverlapForm(prefix="order"),
        "return_form": OverlapForm(prefix="return"),
        "may": place.may(Role.DEVELOPER),
    }
    return show(request, "keys", place, **facts | forms)


def words_of(key: ApiKey) -> list[Any]:
    """Return what a key may do, in words."""
    return [SCOPES.get(scope, scope) for scope in key.scopes]


def addresses_of(key: RouteKey) -> list[str]:
    return [settings.PUBLIC_URL + path.format(key.key) for path in PATHS[RouteKey.Kind(key.kind)]]


@require_POST
@member_page(Role.DEVELOPER)
@confirmed
def api_key_new(request: HttpRequest, place: Place) -> HttpResponse:
    """Make a key for our API, and show it once."""
    form, at = ApiKeyForm(request.POST), now()
    if form.is_valid():
        try:
            _key, text = make_api_key(
                place.membership.merchant,
                place.route.mode,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at(at),
                actor=place.user.email,
                at=at,
            )
        except BadKeyChange as error:
            form.add_error(None, in_words(error))
        else:
            return show_secret(
                request,
                place,
                title=gettext("The new API key"),
                name="PAYWITNESS_API_KEY",
                secret=text,
                what=gettext("Your server shows it with each request to our API, as Authorization: Bearer."),
                back="settings_keys",
            )
    return show_keys(request, place, form=form)


@require_POST
@member_page(Role.DEVELOPER)
def api_key_revoke(request: HttpRequest, place: Place, key: UUID) -> HttpResponse:
    """Close a key of our API at once."""
    revoked = revoke_api_key(place.membership.merchant, place.route.mode, key, actor=place.user.email, at=now())
    if revoked is None:
        raise Http404
    words = gettext("The key %(prefix)s opens nothing any more.") % {"prefix": f"{revoked.prefix}…"}
    return done(request, place, words, "settings_keys")


@require_POST
@member_page(Role.DEVELOPER)
@confirmed
def signing_key_rotate(request: HttpRequest, place: Place, purpose: str) -> HttpResponse:
    """Give the mode another key for orders or returns, and show it once."""
    if purpose not in MerchantKey.Purpose.values:
        raise Http404
    form = OverlapForm(request.POST, prefix=purpose)
    if not form.is_valid():
        return show_keys(request, place, **{f"{purpose}_form": form})
    key, text = rotate_key(
        place.membership.merchant,
        place.route.mode,
        purpose,
        overlap=form.overlap,
        actor=place.user.email,
        at=now(),
    )
    is_order = purpose == MerchantKey.Purpose.ORDER
    what = (
        gettext("Your server signs order tokens with it, and names it by its id.")
        if is_order
        else gettext("Your shop verifies returns with it. Keep the old one beside it until that retires.")
    )
    return show_secret(
        request,
        place,
        title=gettext("The new order key") if is_order else gettext("The new return key"),
        name=f"PAYWITNESS_{purpose.upper()}_KEY",
        key_id=key.kid,
        secret=text,
        what=what,
        back="settings_keys",
    )


@require_POST
@member_page(Role.DEVELOPER)
@confirmed
def route_key_rotate(request: HttpRequest, place: Place, kind: str) -> HttpResponse:
    """Give the mode another key in its addresses; the old ones work for 180 days."""
    if kind not in RouteKey.Kind.values:
        raise Http404
    rotate_route_key(place.membership.merchant, place.route.mode, kind, actor=place.user.email, at=now())
    words = gettext("The new addresses are below. The old ones work for 180 days; paste the new ones in their place.")
    return done(request, place, words, "settings_keys")


@require_POST
@member_page(Role.DEVELOPER)
@confirmed
def route_key_retire(request: HttpRequest, place: Place, key: UUID) -> HttpResponse:
    """Close a rotated key's addresses at once."""
    mine = RouteKey.objects.select_related("merchant").filter(merchant=place.membership.merchant, mode=place.route.mode)
    old = mine.filter(id=key, works_until__gt=now()).first()
    if old is None:
        raise Http404
    retire_route_key(old, actor=place.user.email, at=now())
    return done(request, place, gettext("The old addresses open nothing any more."), "settings_keys")
