"""What is to be told again, as a member says it: what became of it, to whom, of which kind or order, from when."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from results.core.claim import MERCHANT_UID_LENGTH, UNPRINTABLE
from results.core.figures import KST
from results.core.ids import decode, encode
from results.core.replay import Standing, Wish
from results.health import host_of
from results.models import Endpoint
from results.views.dashboard.settings.events import PREFIXES, choices
from results.views.dashboard.settings.forms import Form

MISSED: Final = "missed"
ALL: Final = "all"
WRITTEN: Final = "%Y-%m-%dT%H:%M"  # as browsers write a moment of their own clock


class KoreanMoment(forms.DateTimeField):
    """A minute by Korea's clock, whatever clock the browser has."""

    def __init__(self, **named: Any) -> None:
        widget = forms.DateTimeInput({"type": "datetime-local"}, WRITTEN)
        fault = _("Choose a day and a time.")
        super().__init__(required=False, widget=widget, input_formats=[WRITTEN], **named)
        self.error_messages["invalid"] = fault

    def clean(self, value: Any) -> datetime | None:
        read = super().clean(value)
        return read.replace(tzinfo=KST) if read else None


class ReplayForm(Form):
    """Which events are told again. At least a beginning or an order keeps it from being everything there ever was."""

    what = forms.ChoiceField(
        label=pgettext_lazy("replay", "What"),
        choices=[
            (MISSED, _("What the endpoint has not taken: failed, given up, or from before it was made")),
            (Standing.GIVEN_UP, _("Only what was given up")),
            (Standing.DELIVERED, _("Only what was taken already, once more")),
            (ALL, pgettext_lazy("replay", "Everything")),
        ],
        widget=forms.RadioSelect,
        initial=MISSED,
        error_messages={"required": _("Choose what is to be sent again.")},
    )
    since = KoreanMoment(label=_("From (Korean time)"))
    until = KoreanMoment(label=_("Before (Korean time)"))
    endpoint = forms.ChoiceField(label=pgettext_lazy("replay", "To"), required=False)
    type = forms.ChoiceField(label=_("Events"), required=False)
    order = forms.CharField(label=_("Order number"), required=False, max_length=MERCHANT_UID_LENGTH)

    def __init__(self, data: Any, *, endpoints: Iterable[Endpoint], at: datetime, initial: dict[str, Any]) -> None:
        since = f"{(at - timedelta(days=1)).astimezone(KST):{WRITTEN}}"
        super().__init__(data, initial={"since": since} | initial)
        self.at = at
        one = [(encode("end", row.id), f"{host_of(row)} {row.description}".strip()) for row in endpoints]
        self.fields["endpoint"].choices = [("", _("Every endpoint that hears it")), *one]  # type: ignore[attr-defined]
        whole = [(prefix, prefix) for prefix in PREFIXES if prefix != "endpoint.*"]
        kinds = [("", _("Every event")), (_("Whole groups"), whole), *choices()]
        self.fields["type"].choices = kinds  # type: ignore[attr-defined]

    def clean_order(self) -> str:
        text: str = self.cleaned_data["order"]
        if UNPRINTABLE.search(text):
            raise forms.ValidationError(_("Write the order number as your shop does, without control characters."))
        return text

    def clean(self) -> dict[str, Any]:
        said = self.cleaned_data
        since, until = said.get("since"), said.get("until")
        if since and since > self.at:
            self.add_error("since", _("This moment has not come yet. Choose an earlier one."))
        if since and until and since >= until:
            self.add_error("until", _("The end has to be later than the beginning."))
        if not since and not said.get("order") and not {"since", "order"} & set(self.errors):
            self.add_error("since", _("Say from when on, or which order: otherwise everything there ever was is sent."))
        return said

    @property
    def wish(self) -> Wish:
        """Return what was said, of a form that is valid."""
        said = self.cleaned_data
        standings = {Standing.GIVEN_UP.value: Standing.GIVEN_UP, Standing.DELIVERED.value: Standing.DELIVERED}
        return Wish(
            types=(said["type"],) if said["type"] else (),
            order=said["order"],
            status=standings.get(said["what"]),
            since=said["since"],
            until=said["until"],
            undelivered=said["what"] == MISSED,
            endpoint=decode(said["endpoint"], prefix="end") if said["endpoint"] else None,
        )
