"""The signature debugger: a callback that a receiver did not believe is pasted, and each of its parts is judged."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from results.core.diagnosis import Diagnosis, Fault, Finding, read_headers
from results.core.words import Check
from results.diagnose import Signer, diagnose_callback
from results.views.dashboard.start_forms import SignatureForm
from results.views.dashboard.start_words import FAULTS, PARTS
from tenants.access import Place, Role, member_page
from tenants.pages import draw

# A difference of this many seconds is still believed, but says that a clock drifts.
DRIFTS = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One part of the callback, as it is read on the page."""

    finding: Finding
    title: Promise
    words: Promise | None

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
    pasted = form.cleaned_data
    headers = read_headers(pasted["headers"])
    diagnosis, signer = diagnose_callback(place.route, headers, pasted["body"], at=at, receiver_says=pasted["clock"])
    facts: dict[str, Any] = {
        "here": "start",
        "form": form,
        "at": at,
        "diagnosis": diagnosis,
        "lines": lines_of(diagnosis),
        "signer": signer,
        "only_old": is_only_old(diagnosis),
        "old_secret": is_retiring(signer),
        "drifts": diagnosis.ahead is not None and abs(diagnosis.ahead) >= DRIFTS,
        "behind": -diagnosis.ahead if diagnosis.ahead is not None and diagnosis.ahead < 0 else 0,
    }
    return draw(request, "dashboard/debug_signature/page.html", place, **facts)


def lines_of(diagnosis: Diagnosis) -> list[Line]:
    return [
        Line(finding, PARTS[finding.part], FAULTS[finding.fault] if finding.fault else None)
        for finding in diagnosis.findings
    ]


def is_only_old(diagnosis: Diagnosis) -> bool:
    """Say whether all is right but for the time that passed since: a message out of a log."""
    faults = {finding.fault for finding in diagnosis.findings if finding.mark == Check.FAIL}
    return faults == {Fault.TOO_OLD} and bool(diagnosis.fits)


def is_retiring(signer: Signer | None) -> bool:
    return signer is not None and not signer.newest
