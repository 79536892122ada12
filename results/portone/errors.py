"""What can go wrong with a question to PortOne, split by what is to be done next. None of them says `failed`.

PortOneError
├── PortOneUnavailable   no usable answer: ask again later
│   ├── PortOneSilent    not even a wrong one: ask less until it speaks again
│   │   └── PortOneGarbled  a reply that is not PortOne's, or its 5xx: it may be about this one question
│   ├── PortOneBusy      too many questions: ask again later, and fewer
│   └── PortOneDeclined  it understood and said no; of a payment that is no evidence either
│       └── QuestionRejected  HTTP 400: no sense in the question, such as a page past the end
├── PortOneRefused       the keys are refused: only the merchant can mend this
└── PaymentUnknown       PortOne answered that it knows no such payment: ask again later, a few times
"""


class PortOneError(Exception):
    """A question to PortOne brought no payment."""


class PortOneUnavailable(PortOneError):
    """PortOne gave no usable answer; asking again later may help."""


class PortOneSilent(PortOneUnavailable):
    """PortOne did not answer at all, or something else did in its place."""


class PortOneGarbled(PortOneSilent):
    """Something answered one question in PortOne's place, or PortOne broke down over it."""


class PortOneDeclined(PortOneUnavailable):
    """PortOne understood and said no; the same request brings the same answer."""


class QuestionRejected(PortOneDeclined):
    """PortOne answered 400: no such page, or a question that it does not understand."""


class PortOneBusy(PortOneUnavailable):
    """PortOne answered 429: asking less may help."""


class PortOneRefused(PortOneError):
    """PortOne refused the keys; only the merchant can mend this."""


class PaymentUnknown(PortOneError):
    """PortOne knows no such payment for these keys, or not yet."""
