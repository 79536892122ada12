"""What the merchant expects to be paid, and each try to pay it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.fields.json import KeyTextTransform

from results.core.words import OrderStatus, PaymentStatus
from tenants.fields import id_field, mode_field

STATUSES = [(status.value, status.value) for status in PaymentStatus]
ORDER_STATUSES = [(status.value, status.value) for status in OrderStatus]
UNSETTLED = (PaymentStatus.AWAITING_DEPOSIT.value, PaymentStatus.REVIEW.value)
# A number that no column would hold stays out of it: what PortOne says must never keep a payment from being published.
AMOUNT = """CASE WHEN %(expressions)s ->> 'amount' ~ '^[0-9]{1,15}([.][0-9]{1,6})?$'
    THEN (%(expressions)s ->> 'amount')::numeric END"""


class Order(models.Model):
    """What the merchant expects to be paid. An order that nobody registered has a row without `expected`.

    Its row is locked before any payment row of it is; sequence, roll-up and duplicate check happen under that lock.
    """

    id = id_field()
    mode = mode_field()
    merchant_uid = models.CharField(max_length=40)
    status = models.CharField(max_length=19, choices=ORDER_STATUSES, default=OrderStatus.REGISTERED)
    flags = ArrayField(models.CharField(max_length=24), default=list, blank=True)
    sequence = models.IntegerField(default=0, help_text="number of the newest event of this order")
    expected_amount = models.BigIntegerField(null=True, help_text="minor units")
    expected_currency = models.CharField(max_length=3, blank=True)
    expected_exponent = models.SmallIntegerField(null=True)
    expected_source = models.CharField(max_length=12, blank=True)
    registered_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    statements = models.JSONField(
        default=dict, db_default={}, help_text="what other sources say is expected, by source"
    )
    prepared_at = models.DateTimeField(null=True, help_text="when PortOne was last told the amount")
    claimed_at = models.DateTimeField(null=True, help_text="when a claim of this order was told; once only")
    waited_at = models.DateTimeField(null=True, help_text="when it was told that PortOne does not answer; once only")
    name = models.CharField(max_length=80, blank=True, help_text="what is bought, for people")
    return_url = models.TextField(blank=True, help_text="one of the registered ones; empty: the first")
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mode", "merchant_uid"], name="order_once_in_a_mode"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["claimed_at"], name="order_claim_told", condition=~models.Q(claimed_at=None)),
            models.Index(fields=["waited_at"], name="order_wait_told", condition=~models.Q(waited_at=None)),
        ]

    def __str__(self) -> str:
        return self.merchant_uid


class Payment(models.Model):
    """One try to pay an order, and its latest state.

    `snapshot` and `judgement` hold the newest applied answer of PortOne and what was concluded from it.
    """

    id = id_field()
    mode = mode_field()
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="payments")
    imp_uid = models.CharField(max_length=32, null=True, help_text="null: known from a claim only")
    status = models.CharField(max_length=19, choices=STATUSES)
    version = models.IntegerField(default=0, help_text="number of published changes")
    money_moved = models.BooleanField(default=False)
    snapshot = models.JSONField(null=True)
    judgement = models.JSONField()
    fingerprint = models.TextField(blank=True)
    observed_at = models.DateTimeField(null=True, help_text="when the question that is applied was sent")
    first_seen_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, help_text="since when it is this merchant's among those of its account")
    most_cancelled = models.TextField(
        default="0", db_default="0", help_text="the most that PortOne said is cancelled; major units"
    )
    doubts = models.SmallIntegerField(
        default=0, db_default=0, help_text="answers in a row whose cancelled amount had shrunk"
    )
    resolution = models.JSONField(null=True, help_text="how a member ended a review: decision, reason, at, accepted")
    unheard_since = models.DateTimeField(null=True, help_text="paid then, found by a sweep, and nothing ever arrived")
    # What the newest event said: the `previous` of the next, and what a correction supersedes.
    told_status = models.CharField(max_length=19, choices=STATUSES, blank=True)
    told_type = models.CharField(max_length=48, blank=True)
    told_cancelled = models.BigIntegerField(default=0)
    told_event = models.UUIDField(null=True)
    # What sums need, beside the answer that it is taken from: reading all of each answer takes ten times as long.
    paid_iso = models.GeneratedField(
        expression=KeyTextTransform("paid_at", "snapshot"),
        output_field=models.TextField(db_collation="C", null=True, help_text="ISO text in UTC, which sorts by time"),
        db_persist=True,
    )
    currency = models.GeneratedField(
        expression=KeyTextTransform("currency", "snapshot"), output_field=models.TextField(null=True), db_persist=True
    )
    amount = models.GeneratedField(
        expression=models.Func(models.F("snapshot"), template=AMOUNT),
        output_field=models.DecimalField(max_digits=21, decimal_places=6, null=True, help_text="major units"),
        db_persist=True,
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mode", "imp_uid"], name="payment_once_in_a_mode"),
            models.UniqueConstraint(
                fields=["mode", "order"],
                condition=models.Q(imp_uid=None),
                name="one_claimed_payment_of_an_order",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["mode", "-first_seen_at", "-id"], name="payment_newest_first"),
            models.Index(fields=["unheard_since"], name="payment_unheard", condition=~models.Q(unheard_since=None)),
            models.Index(
                fields=["mode", "paid_iso"],
                name="payment_paid",
                include=["status", "money_moved", "currency", "amount"],
                condition=~models.Q(paid_iso=None),
            ),
            models.Index(
                fields=["mode", "observed_at"], name="payment_refunded", condition=~models.Q(most_cancelled="0")
            ),
            models.Index(
                fields=["mode", "status", "-first_seen_at", "-id"],
                name="payment_unsettled",
                condition=models.Q(status__in=UNSETTLED),
            ),
        ]

    def __str__(self) -> str:
        return self.imp_uid or f"claimed payment of {self.order_id}"
