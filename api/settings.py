"""Settings: where customers may go back to, what is believed of an order, and how long things stay."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Router, Schema
from pydantic import Field, StrictBool, StrictInt

from api.auth import Caller, caller_of, needs
from api.errors import Problem
from api.matching import check_match, tagged
from api.schemas import Strict
from results.core.return_url import BadReturnUrl, normalise_return_url
from results.wording import in_words
from tenants.choices import OF_A_MODE, choose, choose_language
from tenants.models import Merchant, MerchantMode
from tenants.models.merchant import KEEPS
from tenants.retention import BadRetention, set_retention
from tenants.routing import Route, forget_merchant

router = Router(tags=["settings"])

MOST_ADDRESSES: Final = 20
# Both modes have these together, so a test key may not change them for live customers.
OF_BOTH_MODES: Final = frozenset({"language", "retention_days"})
# PortOne keeps announced amounts by account: a test order's would stand in the way of the live one.
LIVE_ONLY: Final = frozenset({"prepares", "reads_prepared"})

Address = Annotated[str, Field(max_length=2048)]
ReturnUrls = Annotated[
    list[Address],
    Field(
        max_length=MOST_ADDRESSES,
        description="where customers may go back to, exactly as spelt; the first unless an order names another",
        examples=[["https://shop.example.com/orders/complete"]],
    ),
]
Origins = Annotated[
    list[Address],
    Field(
        max_length=MOST_ADDRESSES,
        description="pages of your shop that may use the payment window's script: scheme, host and port",
        examples=[["https://shop.example.com"]],
    ),
]
PolicyWord = Annotated[
    Literal["open", "strict"],
    Field(description="a payment of an unregistered order: `open` tells it as paid, `strict` puts it under review"),
]
ConfirmWord = Annotated[
    Literal["open", "closed"],
    Field(description="when PortOne asks before approving and we cannot say: `open` approves, `closed` refuses"),
]
Prepares = Annotated[StrictBool, Field(description="announce registered amounts to PortOne; live mode only")]
ReadsPrepared = Annotated[StrictBool, Field(description="read back what your shop announced itself; live mode only")]
LanguageWord = Annotated[
    Literal["ko", "en"] | None, Field(description="of the customer's page, in both modes; null: the customer's own")
]


def days(of: str, what: str) -> Any:
    least, most = KEEPS[of]
    return Field(ge=least, le=most, description=what, examples=[least + 23])


Arrivals = Annotated[StrictInt, days("keeps_arrivals", "notifications and PortOne's answers")]
Replies = Annotated[StrictInt, days("keeps_replies", "bodies of your server's replies; no longer than attempts")]
Attempts = Annotated[StrictInt, days("keeps_attempts", "attempts to tell you")]


class Retention(Schema):
    """For how many days things stay, in both modes."""

    arrivals: Arrivals
    replies: Replies
    attempts: Attempts


class RetentionChange(Strict):
    """What is to change; what is left out stays. A shorter time counts for what is there already, too."""

    arrivals: Arrivals | None = None
    replies: Replies | None = None
    attempts: Attempts | None = None


class SettingsOut(Schema):
    """What is chosen for this mode; language and retention are of both modes."""

    object: Literal["settings"]
    livemode: bool
    return_urls: ReturnUrls
    origins: Origins
    policy: PolicyWord
    confirm_policy: ConfirmWord
    prepares: Prepares
    reads_prepared: ReadsPrepared
    language: LanguageWord
    retention_days: Retention


class SettingsChange(Strict):
    """What is to change; what is left out stays. A list takes the place of the whole list."""

    return_urls: ReturnUrls | None = None
    origins: Origins | None = None
    policy: PolicyWord | None = None
    confirm_policy: ConfirmWord | None = None
    prepares: Prepares | None = None
    reads_prepared: ReadsPrepared | None = None
    language: LanguageWord = None
    retention_days: RetentionChange | None = None


@router.get("", response=SettingsOut, auth=needs("settings:read"), operation_id="getSettings", summary="Read settings")
def get(request: HttpRequest) -> dict[str, Any]:
    """Return what is chosen for this mode."""
    return tagged(request, show(caller_of(request).route))


@router.patch(
    "", response=SettingsOut, auth=needs("settings:write"), operation_id="updateSettings", summary="Change settings"
)
def change(request: HttpRequest, payload: SettingsChange) -> dict[str, Any]:
    """Change what is given. It counts everywhere within half a minute.

    `language` and `retention_days` are of both modes, so only a live key changes them.
    """
    caller = caller_of(request)
    given = payload.dict(exclude_unset=True)
    given = {name: value for name, value in given.items() if value is not None or name == "language"}
    check_mode(caller.route, given)
    with transaction.atomic():
        MerchantMode.objects.select_for_update().get(merchant=caller.route.merchant_id, mode=caller.route.mode)
        Merchant.objects.select_for_update().get(id=caller.route.merchant_id)
        check_match(request, show(caller.route))
        keep(caller, spell(given), at=datetime.now(UTC))
        document = show(caller.route)
    # Once more: until the commit, whoever looked found what was chosen before.
    forget_merchant(caller.route.merchant_id)
    return tagged(request, document)


def check_mode(route: Route, given: dict[str, Any]) -> None:
    """Raise Problem for what test mode does not have, or has with live mode together."""
    if route.livemode:
        return
    if shared := sorted(OF_BOTH_MODES & set(given)):
        detail = _("%(field)s: both modes have it together; change it with a live key.") % {"field": shared[0]}
        raise Problem(422, "live_mode_only", detail, field=shared[0])
    if switched := sorted(name for name in LIVE_ONLY if given.get(name)):
        detail = _("%(field)s: PortOne knows it in live mode only.") % {"field": switched[0]}
        raise Problem(422, "live_mode_only", detail, field=switched[0])


def spell(given: dict[str, Any]) -> dict[str, Any]:
    """Return the same with addresses in their normal form, each once; raise Problem."""
    spelt = {"return_urls": spell_return_url, "origins": spell_origin}
    lists = {name: spell_all(name, given[name], how) for name, how in spelt.items() if name in given}
    return given | lists


def spell_all(field: str, addresses: list[str], how: Callable[[str], str]) -> list[str]:
    found = []
    for place, address in enumerate(addresses):
        try:
            found.append(how(address))
        except BadReturnUrl as error:
            where = f"{field}.{place}"
            raise Problem(422, "invalid_field", f"{where}: {in_words(error)}", field=where) from error
    return list(dict.fromkeys(found))


def spell_return_url(text: str) -> str:
    return normalise_return_url(text, allow_http=settings.DEVELOPMENT)


def spell_origin(text: str) -> str:
    """Return scheme, host and port as a browser's Origin header writes them."""
    scheme, mark, rest = spell_return_url(text).partition("://")
    host, _slash, path = rest.partition("/")
    if path:
        raise BadReturnUrl("An origin ends with its host or port, like https://shop.example.com.")
    return f"{scheme}{mark}{host}"


def keep(caller: Caller, given: dict[str, Any], *, at: datetime) -> None:
    """Keep what is given, each change with its entry in the audit. Raises Problem."""
    merchant = Merchant.objects.get(id=caller.route.merchant_id)
    of_mode = {name: value for name, value in given.items() if name in OF_A_MODE}
    choose(merchant, caller.route.mode, actor=caller.actor, at=at, **of_mode)
    if "language" in given:
        choose_language(merchant, given["language"] or "", actor=caller.actor, at=at)
    if "retention_days" in given:
        try:
            set_retention(merchant, actor=caller.actor, at=at, **given["retention_days"])
        except BadRetention as error:
            detail = f"retention_days: {in_words(error)}"
            raise Problem(422, "invalid_field", detail, field="retention_days") from error


def show(route: Route) -> dict[str, Any]:
    """Return what is chosen now: the route remembers it for a while."""
    chosen = MerchantMode.objects.select_related("merchant").get(merchant=route.merchant_id, mode=route.mode)
    return {
        "object": "settings",
        "livemode": route.livemode,
        "return_urls": chosen.return_urls,
        "origins": chosen.origins,
        "policy": chosen.policy,
        "confirm_policy": chosen.confirm_policy,
        "prepares": chosen.prepares,
        "reads_prepared": chosen.reads_prepared,
        "language": chosen.merchant.language or None,
        "retention_days": {name.removeprefix("keeps_"): getattr(chosen.merchant, name) for name in KEEPS},
    }
