"""What is entered on the way to the first payment. Each error names the mend."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from results.portone import KEY, TIER


class KeysForm(forms.Form):
    """A PortOne account's V1 API keys. The secret is never written back into the page."""

    user_code = forms.RegexField(
        r"imp[0-9]{6,13}",
        label=_("Merchant code"),
        error_messages={"invalid": _("It begins with imp and goes on with digits, such as imp12345678.")},
    )
    imp_key = forms.CharField(
        label=_("REST API key"),
        max_length=512,
        validators=[RegexValidator(rf"\A{KEY.pattern}\Z", _("Copy it from PortOne's console, without spaces inside."))],
    )
    imp_secret = forms.CharField(
        label=_("REST API secret"),
        max_length=512,
        validators=[RegexValidator(rf"\A{KEY.pattern}\Z", _("Copy it from PortOne's console, without spaces inside."))],
        widget=forms.PasswordInput,
    )
    tier = forms.CharField(
        label=_("Sub-store code (Tier)"),
        required=False,
        validators=[RegexValidator(rf"\A{TIER.pattern}\Z", _("Three characters, A-Z and 0-9."))],
    )

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        for name, field in self.fields.items():
            field.widget.attrs |= {"class": "input w-full", "autocomplete": "off", "spellcheck": "false"}
            if self.is_bound and name in self.errors:
                field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}


class CallbackForm(forms.Form):
    """Where the shop wants to hear us."""

    url = forms.CharField(
        label=_("Callback URL"),
        max_length=2000,
        widget=forms.URLInput(
            attrs={"class": "input w-full", "placeholder": "https://shop.example.com/paywitness", "autocomplete": "off"}
        ),
    )


class SignatureForm(forms.Form):
    """What a receiver got, as it was pasted."""

    headers = forms.CharField(
        label=_("Headers"),
        max_length=16_000,
        widget=forms.Textarea(attrs={"class": "textarea w-full font-mono", "rows": 6, "spellcheck": "false"}),
    )
    body = forms.CharField(
        label=_("Body"),
        max_length=200_000,
        strip=False,
        required=False,
        widget=forms.Textarea(attrs={"class": "textarea w-full font-mono", "rows": 8, "spellcheck": "false"}),
    )
    clock = forms.CharField(
        label=_("Your server's clock now"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"class": "input w-full font-mono", "placeholder": "date +%s"}),
    )

    def clean_body(self) -> bytes:
        # A browser sends every line break of a text area as two characters; our callbacks hold none.
        text: str = self.cleaned_data["body"]
        return text.replace("\r\n", "\n").encode("utf-8", "replace")

    def clean_clock(self) -> datetime | None:
        text: str = self.cleaned_data["clock"].strip()
        try:
            return _read_clock(text) if text else None
        except (ValueError, OverflowError, OSError):
            raise forms.ValidationError(
                _("Give the seconds that `date +%s` prints, or a time such as 2026-11-21T05:12:00Z.")
            ) from None


def _read_clock(text: str) -> datetime:
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
