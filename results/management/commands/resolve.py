"""End a review: let a payment's money count, or not."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from results.core.claim import UNPRINTABLE
from results.core.ids import decode
from results.management.merchant_options import add_search_options, read_search
from results.models import Payment
from results.resolve import LONGEST_REASON, Decision, NotUnderReview, resolve_review
from tenants.routing import Route, inside

ACTOR = "manage.py resolve"


class Command(BaseCommand):
    help = "End the review of a payment; the merchant is told payment.review.resolved, and who did it is written down."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="pay_…, as the event and `explain` show it")
        decision = parser.add_mutually_exclusive_group(required=True)
        accept = "the money counts: it was looked at and is right"
        decision.add_argument("--accept", dest="decision", action="store_const", const=Decision.ACCEPT, help=accept)
        reject = "the money does not count; refund it in PortOne's console"
        decision.add_argument("--reject", dest="decision", action="store_const", const=Decision.REJECT, help=reject)
        parser.add_argument("--reason", required=True, help="why, for the merchant and for the record")
        add_search_options(parser)

    def handle(self, *, id: str, decision: Decision, reason: str, **options: Any) -> None:
        reason = UNPRINTABLE.sub(" ", reason).strip()
        if not 0 < len(reason) <= LONGEST_REASON:
            raise CommandError(f"--reason: say in 1 to {LONGEST_REASON} characters why")
        payment_id = decode(id, prefix="pay")
        if payment_id is None:
            raise CommandError("ID: give the payment's id that begins with pay_, as `explain` shows it")
        for route in read_search(options["merchant"], options["mode"]):
            with inside(route.schema):
                if Payment.objects.filter(mode=route.mode, id=payment_id).exists():
                    self.stdout.write(self.resolve(route, id, decision=decision, reason=reason))
                    return
        raise CommandError(f"ID: nobody knows the payment {id}; see whether it, --merchant and --mode are right")

    def resolve(self, route: Route, id: str, *, decision: Decision, reason: str) -> str:
        payment_id, at = decode(id, prefix="pay"), datetime.now(UTC)
        assert payment_id is not None  # read above
        try:
            payment = resolve_review(route, payment_id, decision=decision, reason=reason, actor=ACTOR, at=at)
        except NotUnderReview as error:
            raise CommandError(f"ID: {id} has no review to end: {error}") from error
        return f"{id}: {decision}; it counts as {payment.status} now, and {route.name} is told payment.review.resolved"
