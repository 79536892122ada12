"""The signature debugger: a callback that a receiver did not believe is pasted, and each of its parts is judged."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from results.core.diagnosis import Diagnosis, Fault, Finding
from results.core.held_secret import Held
from results.core.pasted import Pasted
from results.core.words import Check
from results.diagnose import Signer, judge_callback
from results.views.dashboard.start_forms import SignatureForm
from results.views.dashboard.start_words import DRIFTS, FAULTS, HELD, PARTS, clock_words, span_words
from tenants.access import Place, Role, member_page
from tenants.pages import draw


@dataclass(frozen=True, slots=True)
class Line:
    """One part of the callback, as it is read on the page."""

    finding: Finding
    title: Promise
    words: Promise | None
    spelled: str = ""  # under which other name the header came
    apart: str = ""

    @property
    def good(self) -> bool:
        return self.finding.mark == Check.PASS

    @property
    def bad(self) -> bool:
        return self.finding.mark == Check.FAIL


@member_page(Role.DEVELOPER)
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def debug_signature(request: HttpRequest, place: Place) -> HttpResponse:
    """Say which part of a pasted callback is wrong. Nothing of it is kept."""
    if request.method != "POST":
        return draw(request, "dashboard/debug_signature/page.html", place, here="start", form=SignatureForm())
    form, at = SignatureForm(request.POST), datetime.now(UTC)
    if not form.is_valid():
        return draw(request, "dashboard/debug_signature/page.html", place, status=422, here="start", form=form)
    (pasted, body), given = form.pasted(), form.cleaned_data
    judged = judge_callback(
        place.route, pasted.headers, body, at=at, receiver_says=given["clock"], held=given["secret"].strip()
    )
    diagnosis = judged.diagnosis
    held_good = judged.held in (None, Held.RIGHT)
    clock_good = diagnosis.ahead is None or abs(diagnosis.ahead) < DRIFTS
    facts: dict[str, Any] = {
        "here": "start",
        "form": form,
        "at": at,
        "judged": judged,
        "lines": lines_of(diagnosis, pasted),
        "held_words": HELD[judged.held] if judged.held else "",
        "held_good": held_good,
        "only_old": is_only_old(diagnosis),
        "old_secret": is_retiring(judged.signer),
        "clock_good": clock_good,
        "server_wrong": (diagnosis.valid or is_only_old(diagnosis)) and not (held_good and clock_good),
        "clock_words": "" if diagnosis.ahead is None else clock_words(diagnosis.ahead),
    }
    return draw(request, "dashboard/debug_signature/page.html", place, **facts)


def lines_of(diagnosis: Diagnosis, pasted: Pasted) -> list[Line]:
    return [
        Line(
            finding,
            PARTS[finding.part],
            FAULTS[finding.fault] if finding.fault else None,
            spelled=pasted.spelled.get(finding.header, ""),
            apart=span_words(finding.seconds) if finding.moment else "",
        )
        for finding in diagnosis.findings
    ]


def is_only_old(diagnosis: Diagnosis) -> bool:
    """Say whether all is right but for the time that passed since: a message out of a log."""
    faults = {finding.fault for finding in diagnosis.findings if finding.mark == Check.FAIL}
    return faults == {Fault.TOO_OLD} and bool(diagnosis.fits)


def is_retiring(signer: Signer | None) -> bool:
    return signer is not None and not signer.newest
