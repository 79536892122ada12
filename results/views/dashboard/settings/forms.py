"""The forms of the settings. Each fault is said at its field, with the mend; what was typed stays."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from results.core.headers import BadHeaders, check_headers
from results.core.return_url import BadReturnUrl, normalise_return_url
from results.core.words import DEFAULT_EVENTS
from results.endpoints import (
    LONGEST_DESCRIPTION,
    BadCallbackUrl,
    BadDescription,
    check_description,
    normalise_callback_url,
)
from results.views.dashboard.settings.events import choices, ticked
from results.wording import in_words
from tenants.branding import BadBrand, read_colour, redraw
from tenants.models.merchant import KEEPS, ConfirmPolicy, Language, Policy
from tenants.names import check_name
from tenants.scopes import ON_REQUEST, SCOPES, USUAL

MOST_LINES: Final = 20
PLAIN: Final = {"class": "font-mono", "autocomplete": "off", "spellcheck": "false"}
KEY: Final = r"^[!-~]{1,512}$"


class Form(forms.Form):
    """A form whose labels end without a colon."""

    asks_to_confirm = False  # who types secrets has to confirm who they are

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


def read(step: Callable[[Any], Any], value: Any, *errors: type[Exception]) -> Any:
    """Return what a step makes of a value; what it refuses is said at the field."""
    try:
        return step(value)
    except errors as error:
        raise ValidationError(in_words(error)) from error


class HeadersField(forms.CharField):
    """Fixed headers, one `Name: value` a line."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Fixed headers"),
            help_text=_(
                "One a line, as Name: value. For what your own gateway asks for. They are sealed and never shown again."
            ),
            required=False,
            strip=False,
            widget=forms.Textarea(attrs=PLAIN | {"rows": 3}),
        )

    def clean(self, value: str | None) -> dict[str, str]:
        pairs = [line.partition(":") for line in (super().clean(value) or "").splitlines() if line.strip()]
        headers: dict[str, str] = {}
        for name, colon, said in pairs:
            if not colon:
                raise ValidationError(
                    gettext("Write each line as Name: value; “%(line)s” has no colon.") % {"line": name[:20]}
                )
            if name.strip().lower() in {known.lower() for known in headers}:
                raise ValidationError(gettext("%(name)s is given twice: leave one out.") % {"name": name.strip()[:60]})
            headers[name.strip()] = said.strip(" ")
        return dict(read(check_headers, headers, BadHeaders))


class EndpointForm(Form):
    """Where an endpoint is, what it hears, and what people call it."""

    url = forms.CharField(
        label=_("Callback URL"),
        help_text=_("Your own server’s address, with https. Signed results are sent there."),
        widget=forms.URLInput(attrs={"placeholder": "https://shop.example.com/paywitness", "inputmode": "url"}),
        error_messages={"required": _("Write the address of your server, beginning with https://.")},
    )
    description = forms.CharField(
        label=_("Description"),
        help_text=_("For your people; nobody else sees it."),
        required=False,
        max_length=LONGEST_DESCRIPTION,
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=choices,
        initial=lambda: ticked(DEFAULT_EVENTS),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Tick at least one event: without any, nothing is told here.")},
    )

    def groups(self) -> list[tuple[Any, list[tuple[str, Any, bool]]]]:
        """Return the boxes group by group: value, words, and whether it is ticked."""
        on = set(self["events"].value() or ())
        return [(name, [(value, words, value in on) for value, words in boxes]) for name, boxes in choices()]

    def clean_url(self) -> str:
        return str(read(normalise_callback_url, self.cleaned_data["url"], BadCallbackUrl))

    def clean_description(self) -> str:
        return str(read(check_description, self.cleaned_data["description"], BadDescription))


class NewEndpointForm(EndpointForm):
    headers = HeadersField()


class HeadersForm(Form):
    """Other fixed headers in place of all that there are."""

    headers = HeadersField()
    remove = forms.BooleanField(label=_("Take all fixed headers away"), required=False)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "headers" in given and not given["headers"] and not given.get("remove"):
            self.add_error("headers", _("Write the headers, or tick the box below to take all of them away."))
        if given.get("headers") and given.get("remove"):
            self.add_error("remove", _("Either write new headers, or take all of them away."))
        return given


class OverlapForm(Form):
    """For how many days what is replaced stays in use."""

    days = forms.TypedChoiceField(
        label=_("The old one stays in use for"),
        coerce=int,
        error_messages={"required": _("Choose 0 to 7 days."), "invalid_choice": _("Choose 0 to 7 days.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        overlaps = [(number, gettext("%d days") % number) for number in range(2, 8)]
        field = self.fields["days"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [(1, gettext("1 day")), *overlaps, (0, gettext("not at all: it has leaked"))]

    @property
    def overlap(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])


class LinesField(forms.CharField):
    """Addresses, one a line, each in its normal form and once."""

    def __init__(self, spell: Callable[[str], str], **named: Any) -> None:
        super().__init__(required=False, widget=forms.Textarea(attrs=PLAIN | {"rows": 4}), **named)
        self.spell = spell

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: str | None) -> list[str]:
        lines = [line.strip() for line in (super().clean(value) or "").splitlines() if line.strip()]
        if len(lines) > MOST_LINES:
            raise ValidationError(gettext("Give at most %d lines.") % MOST_LINES)
        spelt, faults = [], []
        for number, line in enumerate(lines, 1):
            try:
                spelt.append(self.spell(line))
            except BadReturnUrl as error:
                faults.append(gettext("Line %(number)d: %(fault)s") % {"number": number, "fault": in_words(error)})
        if faults:
            raise ValidationError(faults)
        return list(dict.fromkeys(spelt))


def spell_return_url(text: str) -> str:
    return normalise_return_url(text, allow_http=settings.DEVELOPMENT)


def spell_origin(text: str) -> str:
    """Return scheme, host and port as a browser's Origin header writes them."""
    scheme, mark, rest = spell_return_url(text).partition("://")
    host, _slash, path = rest.partition("/")
    if path:
        raise BadReturnUrl(gettext("An origin ends with its host or port, like https://shop.example.com."))
    return f"{scheme}{mark}{host}"


class AddressesForm(Form):
    """Where customers may go back to, and whose pages may ask."""

    return_urls = LinesField(
        spell_return_url,
        label=_("Return URLs"),
        help_text=_(
            "One a line, exactly as spelt. The first is where customers go unless an order names another of them."
        ),
    )
    forwards = forms.BooleanField(
        label=_("Send customers back by themselves"),
        help_text=_(
            "Three seconds after their payment is confirmed. Whoever still has to read something, such as an account"
            " number or a refusal, stays until they click."
        ),
        required=False,
    )
    origins = LinesField(
        spell_origin,
        label=_("Allowed origins"),
        help_text=_(
            "One a line: scheme and host of your shop’s pages, such as https://shop.example.com. Only pages there may"
            " tell us what PortOne’s PC window called back, and read what became of it."
        ),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("forwards") and not given.get("return_urls") and "return_urls" not in self.errors:
            self.add_error("forwards", _("Write a return URL first: customers need somewhere to go back to."))
        return given


class PolicyForm(Form):
    """What is believed of an order, and what PortOne hears when we cannot say."""

    policy = forms.ChoiceField(
        label=_("Orders that nobody registered"),
        choices=[
            (Policy.OPEN, _("Open: a payment of an unregistered order is told as paid, its amount unchecked")),
            (Policy.STRICT, _("Strict: it goes under review, and you decide")),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose open or strict.")},
    )
    confirm_policy = forms.ChoiceField(
        label=_("When PortOne asks before approving and we cannot say"),
        choices=[
            (ConfirmPolicy.OPEN, _("Approve: no sale is lost; the payment is checked afterwards")),
            (ConfirmPolicy.CLOSED, _("Refuse: nothing unknown is paid; the customer is asked to try again")),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose approve or refuse.")},
    )
    prepares = forms.BooleanField(
        label=_("Announce registered amounts to PortOne"),
        help_text=_("A payment window with another amount then does not open."),
        required=False,
    )
    reads_prepared = forms.BooleanField(
        label=_("Read back what your shop announced to PortOne itself"),
        help_text=_("For shops that already call PortOne’s prepare."),
        required=False,
    )

    def __init__(self, *args: Any, livemode: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not livemode:  # PortOne keeps announced amounts by account: a test order's would block the live one
            del self.fields["prepares"], self.fields["reads_prepared"]


def limits(of: str) -> dict[str, Any]:
    """Return a number of days' limits as a field takes them, with what is said beyond them."""
    least, most = KEEPS[of]
    fault = format_lazy(_("Keep them {least} to {most} days."), least=least, most=most)
    words = dict.fromkeys(("min_value", "max_value", "required", "invalid"), fault)
    return {"min_value": least, "max_value": most, "error_messages": words}


class GeneralForm(Form):
    """The language of the customer's page, and for how many days things stay."""

    language = forms.ChoiceField(
        label=_("Language of the customer’s page"),
        choices=[("", _("The customer’s own")), *Language.choices],
        required=False,
    )
    arrivals = forms.IntegerField(label=_("Notifications and PortOne’s answers, in days"), **limits("keeps_arrivals"))
    replies = forms.IntegerField(label=_("Bodies of your server’s replies, in days"), **limits("keeps_replies"))
    attempts = forms.IntegerField(label=_("Attempts to tell you, in days"), **limits("keeps_attempts"))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("replies", 0) > given.get("attempts", 366):
            self.add_error("replies", _("Replies belong to attempts: keep them no longer than those."))
        return given


class ApiKeyForm(Form):
    """What a new key is called, what it may do, and for how long it works."""

    name = forms.CharField(
        label=_("Name of the key"),
        help_text=_("Where it is used, such as “order server”."),
        max_length=60,
        error_messages={"required": _("Give the key a name, so that you know later which one to revoke.")},
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=list(SCOPES.items()),
        initial=USUAL,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Tick at least one: a key that may do nothing opens nothing.")},
    )
    days = forms.TypedChoiceField(
        label=_("It expires"),
        choices=[("", _("never")), (30, _("in 30 days")), (90, _("in 90 days")), (365, _("in a year"))],
        coerce=int,
        empty_value=None,
        required=False,
        error_messages={"invalid_choice": _("Choose one of these.")},
    )

    def groups(self) -> list[tuple[bool, list[tuple[str, Any, bool]]]]:
        """Return the boxes, those apart that could lead results elsewhere: value, words, and whether it is ticked."""
        on = set(self["scopes"].value() or ())
        return [
            (apart, [(scope, words, scope in on) for scope, words in SCOPES.items() if (scope in ON_REQUEST) == apart])
            for apart in (False, True)
        ]

    def expires_at(self, at: datetime) -> datetime | None:
        days = self.cleaned_data["days"]
        return at + timedelta(days=days) if days else None


class PortOneForm(Form):
    """Keys of PortOne's REST API. What was typed is given back to whoever typed it, so that nothing is lost."""

    field_order = ("user_code",)
    imp_key = forms.RegexField(
        KEY,
        label=_("REST API key"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={
            "required": _("Copy the REST API key from PortOne’s console."),
            "invalid": _("Copy the key from PortOne’s console once more, without spaces."),
        },
    )
    imp_secret = forms.RegexField(
        KEY,
        label=_("REST API secret"),
        widget=forms.PasswordInput(render_value=True, attrs={"autocomplete": "off"}),
        error_messages={
            "required": _("Copy the REST API secret from PortOne’s console."),
            "invalid": _("Copy the secret from PortOne’s console once more, without spaces."),
        },
    )
    user_code = forms.RegexField(
        r"^imp[0-9]{6,13}$",
        label=_("Merchant code"),
        help_text=_("고객사 식별코드 in PortOne’s console. It opens the payment window and is no secret."),
        error_messages={
            "required": _("Copy the merchant code from PortOne’s console. It begins with imp."),
            "invalid": _("It begins with imp and goes on with digits, such as imp12345678."),
        },
    )
    tier = forms.RegexField(
        r"^[A-Za-z0-9]{3}$",
        label=_("Sub-store code (Tier)"),
        help_text=_("Leave it empty unless PortOne gave your shop one."),
        required=False,
        error_messages={"invalid": _("The code has three characters, A to Z and 0 to 9.")},
    )


class BrandForm(Form):
    """How customers see the merchant."""

    name = forms.CharField(
        label=_("Name on the customer’s page"),
        validators=[check_name],
        help_text=_("Empty: the name of your account here."),
        max_length=80,
        required=False,
    )
    colour = forms.CharField(
        label=_("Colour"),
        help_text=_("# and six digits, such as #0f5f4b. Empty: our green."),
        max_length=10,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "#0f5f4b", "spellcheck": "false"}),
    )
    logo = forms.FileField(
        label=_("Logo"),
        help_text=_("PNG or WebP, at most 20 KB. It is drawn anew, 40 pixels high."),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png,image/webp"}),
        error_messages={"empty": _("The file is empty: choose it again.")},
    )
    remove_logo = forms.BooleanField(label=_("Remove the logo"), required=False)

    def clean_colour(self) -> str:
        return str(read(read_colour, self.cleaned_data["colour"], BadBrand))

    def clean_logo(self) -> bytes | None:
        file = self.cleaned_data["logo"]
        if file is None:
            return None
        data = file.read()
        read(redraw, data, BadBrand)
        return bytes(data)
