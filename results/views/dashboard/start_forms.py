"""What is entered on the way to the first payment. Each error names the field and the mend."""

from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from results.core.held_secret import LONGEST
from results.core.pasted import Pasted, read_pasted
from results.portone import KEY, TIER

MOST_PASTED: Final = 20_000  # characters


class KeysForm(forms.Form):
    """A PortOne account's V1 API keys. The secret is never written back into the page."""

    user_code = forms.RegexField(
        r"imp[0-9]{6,13}",
        label=_("Merchant code (고객사 식별코드)"),
        help_text=_("It opens the payment window and is no secret."),
        error_messages={
            "required": _("Enter the merchant code: it begins with imp and goes on with digits."),
            "invalid": _("The merchant code begins with imp and goes on with digits, such as imp12345678."),
        },
        widget=forms.TextInput(attrs={"placeholder": "imp12345678"}),
    )
    imp_key = forms.CharField(
        label=_("REST API Key"),
        max_length=512,
        error_messages={
            "required": _("Enter the REST API Key of PortOne's console."),
            "max_length": _("The REST API Key is too long: copy this one value only."),
        },
        validators=[RegexValidator(rf"\A{KEY.pattern}\Z", _("Copy the REST API Key anew, without spaces inside."))],
    )
    imp_secret = forms.CharField(
        label=_("REST API Secret"),
        max_length=512,
        help_text=_("Kept sealed. Nobody can read it here again."),
        error_messages={
            "required": _("Enter the REST API Secret of PortOne's console."),
            "max_length": _("The REST API Secret is too long: copy this one value only."),
        },
        validators=[RegexValidator(rf"\A{KEY.pattern}\Z", _("Copy the REST API Secret anew, without spaces inside."))],
        widget=forms.PasswordInput,
    )
    tier = forms.CharField(
        label=_("Sub-store code (Tier)"),
        required=False,
        help_text=_("Only for a sub-store (하위 상점)."),
        validators=[RegexValidator(rf"\A{TIER.pattern}\Z", _("The sub-store code has three characters, A-Z and 0-9."))],
    )

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        for field in self.fields.values():
            field.widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}


class CallbackForm(forms.Form):
    """Where the shop wants to hear us."""

    url = forms.CharField(
        label=_("Callback URL"),
        max_length=2000,
        help_text=_("An address of your server that takes a POST. The secret to verify it with is shown once, next."),
        error_messages={
            "required": _("Enter the callback URL: an address of your server that begins with https://."),
            "max_length": _("The callback URL has more than 2,000 characters: give a shorter one."),
        },
        widget=forms.URLInput(attrs={"placeholder": "https://shop.example.com/paywitness", "autocomplete": "off"}),
    )


class SignatureForm(forms.Form):
    """What a receiver got, as it was pasted. The secret is compared and never written back."""

    headers = forms.CharField(
        label=_("Headers"),
        max_length=MOST_PASTED,
        strip=False,
        help_text=_("Lines, a raw HTTP request, a curl command or JSON. If the body stands with them, it is read too."),
        error_messages={
            "required": _("Paste the headers: webhook-id, webhook-timestamp and webhook-signature."),
            "max_length": _("The headers have more than 20,000 characters: paste one request only."),
        },
        widget=forms.Textarea(attrs={"class": "w-full font-mono", "rows": 6, "spellcheck": "false"}),
    )
    body = forms.CharField(
        label=_("Body"),
        max_length=MOST_PASTED,
        strip=False,
        required=False,
        help_text=_("The raw bytes, before any parsing."),
        error_messages={
            "max_length": _("The body has more than 20,000 characters; no callback of ours has. Paste one only.")
        },
        widget=forms.Textarea(attrs={"class": "w-full font-mono", "rows": 6, "spellcheck": "false"}),
    )
    secret = forms.CharField(
        label=_("The secret your server verifies with"),
        max_length=LONGEST,
        strip=False,
        required=False,
        help_text=_("It is compared with ours and kept nowhere: it shows whether your server has the right one."),
        error_messages={"max_length": _("The secret has more than 200 characters: paste one only, whsec_ first.")},
        widget=forms.PasswordInput(attrs={"class": "font-mono", "autocomplete": "off", "placeholder": "whsec_…"}),
    )
    clock = forms.CharField(
        label=_("Your server's clock now"),
        max_length=40,
        required=False,
        help_text=_("What `date +%s` prints there at this moment: it shows which of the two clocks is wrong."),
        error_messages={"max_length": _("The clock has more than 40 characters: paste what `date +%s` prints.")},
        widget=forms.TextInput(attrs={"class": "font-mono", "placeholder": "1795237920", "autocomplete": "off"}),
    )

    def pasted(self) -> tuple[Pasted, bytes]:
        """Return the headers, and the body from its own field or, if that is empty, from beside the headers."""
        pasted = read_pasted(self.cleaned_data["headers"])
        # A browser sends every line break of a text area as two characters; our callbacks hold none.
        body = self.cleaned_data["body"].replace("\r\n", "\n") or pasted.body or ""
        return pasted, body.encode("utf-8", "replace")

    def clean_clock(self) -> datetime | None:
        text: str = self.cleaned_data["clock"].strip()
        try:
            return _read_clock(text) if text else None
        except (ValueError, OverflowError, OSError):
            raise forms.ValidationError(
                _("Clock: give the seconds that `date +%s` prints, or a time such as 2026-11-21T05:12:00Z.")
            ) from None


def _read_clock(text: str) -> datetime:
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
