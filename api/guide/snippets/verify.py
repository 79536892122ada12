import os

from standardwebhooks import Webhook  # pip install standardwebhooks

webhook = Webhook(os.environ["PAYWITNESS_SIGNING_SECRET"])  # whsec_…


def verify(body: bytes, headers: dict[str, str]) -> dict | None:
    """Return the event, or None: forged, altered, or older than 5 minutes."""
    try:
        return webhook.verify(body, headers)
    except Exception:  # hostile headers raise more than the library's own
        return None
