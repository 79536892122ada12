"""What templates of people's pages write again and again: moments, money, states, and codes to copy.

{% load paywitness %}
{{ moment|kst }}              오늘 14:12, with KST and UTC in full behind it
{{ moment|ago }}              3분 전
{{ amount|money:currency }}   ₩64,900, of minor units; or {{ money|money }} of a Money
{% copy payment.imp_uid %}    the code with its copy button; `bare=True` for the button alone
{{ field|control }}           a form's field, drawn with the class of its kind
"""

from datetime import UTC, datetime
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, FileInput, RadioSelect, Select, Textarea
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from config.navigation import Entry, address_of, entries_of
from results.core.deadline import Language
from results.core.moment import Written, write_age, write_moment
from results.core.money import Money, exponent_of, written

register = template.Library()
NOTHING = "–"
# The first kind that a widget is of; a select is also the base of radios and lists of boxes.
CLASSES = (
    (CheckboxSelectMultiple, "checkbox"),
    (RadioSelect, "radio"),
    (CheckboxInput, "checkbox"),
    (Select, "select"),
    (Textarea, "textarea"),
    (FileInput, "file-input"),
)


@register.filter
def kst(moment: datetime | None) -> str:
    """Write a moment the way one says it today; nothing for none."""
    return time_of(write_moment(moment, at=datetime.now(UTC), language=spoken())) if moment else NOTHING


@register.filter
def ago(moment: datetime | None) -> str:
    """Write how long ago a moment was; nothing for none."""
    return time_of(write_age(moment, at=datetime.now(UTC), language=spoken())) if moment else NOTHING


@register.filter
def money(amount: Money | int | None, currency: str = "") -> str:
    """Write an amount: a Money, or minor units and their currency; nothing for none."""
    if isinstance(amount, Money):
        return written(amount)
    exponent = exponent_of(currency)
    if amount is None or exponent is None:
        return NOTHING
    return written(Money(int(amount), currency, exponent))


@register.inclusion_tag("_copy.html")
def copy(value: object, label: str = "", *, bare: bool = False) -> dict[str, object]:
    """Write a code and a button that copies it; `label` names what it is for who cannot see."""
    return {"value": value, "label": label, "bare": bare}


@register.filter
def control(field: BoundField) -> SafeString:
    """Draw a form's field with the class that its widget has in our design, beside those it has already."""
    own = field.field.widget.attrs.get("class", "")
    kind = next((name for widget, name in CLASSES if isinstance(field.field.widget, widget)), "input")
    return field.as_widget(attrs={"class": f"{kind} {own}".strip()})


@register.filter
def is_box(field: BoundField) -> bool:
    """Say whether a field is a single check box, whose label stands behind it."""
    widget = field.field.widget
    return isinstance(widget, CheckboxInput) and not isinstance(widget, CheckboxSelectMultiple)


@register.filter
def is_group(field: BoundField) -> bool:
    """Say whether a field is several boxes or radios, which need a legend instead of a label."""
    return isinstance(field.field.widget, CheckboxSelectMultiple | RadioSelect)


@register.simple_tag(takes_context=True)
def navigation(context: dict[str, Any]) -> list[Entry]:
    """Return the entries of the navigation for whoever is here."""
    return entries_of(context["place"], here=context.get("here", ""))


@register.simple_tag(takes_context=True)
def same_page(context: dict[str, Any], mode: str) -> str:
    """Return this page's address in another mode; for what one mode alone has, such as a payment, its list's."""
    there = {"merchant": context["place"].route.merchant_id, "mode": mode}
    match = getattr(context.get("request"), "resolver_match", None)
    shared = match.view_name if match and set(match.kwargs) == {"merchant", "mode"} else ""
    names = [name for name in (shared, context.get("here", ""), "home") if name]
    return next((address for name in names if (address := address_of(name, there))), "")


@register.simple_tag(takes_context=True)
def this_path(context: dict[str, Any]) -> str:
    """Return the path and query of the page that is drawn, to come back to; of what was posted, the way in."""
    request = context.get("request")
    return request.get_full_path() if isinstance(request, HttpRequest) and request.method == "GET" else "/dashboard/"


def spoken() -> Language:
    return "en" if (get_language() or "").startswith("en") else "ko"


def time_of(moment: Written) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}"><span aria-hidden="true">{}</span><span class="sr-only">{}, {}</span></time>',
        *(moment.machine, moment.exact, moment.short, moment.short, moment.exact),
    )
