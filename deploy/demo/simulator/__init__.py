"""A PortOne V1 that lives in memory: its REST API, its one-shot webhooks, its payment window and its console.

In a test:

    sim = Simulator(now=clock)
    sim.add_account("key", "secret", notice_url=webhook_url)
    with running(sim) as url:                      # what PORTONE_V1_URL should be
        imp_uid = sim.open_window("key", merchant_uid="order-1", amount=64900)
        sim.approve(imp_uid)                       # sends the webhook without waiting for it
        sim.outbox.wait_for(1)
        sim.journal.counts(), sim.journal.batches()

As a process: `python -m deploy.demo.simulator --bind 127.0.0.1:8100` prints `listening on http://…`. Every
action of `Simulator` is also a request under `/_control`, JSON in and JSON out (400 makes no sense, 404
unknown, 409 cannot happen now):

    request                                  body -> answer
    GET    /health                           -> {ok}
    POST   /accounts                         imp_key, imp_secret and settings of `Account` -> the account
    PATCH  /accounts/{imp_key}               settings: user_code, notice_url (live), test_notice_url (test),
                                             tiers {code: name}, tier_notice_urls {code: url},
                                             encoding (json | json-charset | form);
                                             switches: webhooks_lost, webhook_copies, webhook_delay (s),
                                             webhooks_held, hides_sandbox, visible_after (s)
    POST   /accounts/{imp_key}/release       newest_first -> {released}: send the webhooks that were held
    POST   /accounts/{imp_key}/expire_tokens the tokens in use answer 401 from now on
    GET    /payments?merchant_uid=           -> list of payments as they truly are
    POST   /payments                         imp_key, merchant_uid, amount; tier, notice_url (one or a list),
                                             m_redirect_url, confirm_url, variant, fields of `Payment`
                                             -> {imp_uid, payment, redirect_url} or 409 {error, error_code}
    POST   /payments/{imp_uid}/{action}      the arguments of that method -> {imp_uid, payment, redirect_url}
                                             approve (asks the confirm_url first) | approve_late
                                             | issue_account (open_for: seconds) | deposit | undo_deposit
                                             | expire_account | fail
                                             | abandon | cancel | cancel_by_api | resend | send_escrow_event
                                             | amend | hide | show
    GET    /payments/{imp_uid}/redirect      query variant, m_redirect_url, success -> {url, method}
    POST   /faults                           kind (latency | status | html | close | hang | endless | bomb), status,
                                             seconds, headers, body, where (endpoint or list),
                                             who (imp_key), times, after
    DELETE /faults                           all is well again
    GET    /requests                         -> {counts {endpoint: n}, batches [ids], log [newest 1000]}
    DELETE /requests                         forget them
    GET    /webhooks                         -> what was sent, with the HTTP status that came back, or null

Endpoints are called getToken, payment, payments, find, findAll, status, prepare, cancel, pg and tiers in
counters and faults. For a person there are `/` and `/pay?user_code&merchant_uid&amount&m_redirect_url…`, for a shop's
page `/v1/iamport.js`, whose `IMP.request_pay(order, callback)` opens the window in a frame as PortOne's does on a PC.

Where the published documents are silent this was chosen, and nobody should rely on it: the order of a batch's
answer (newest first), an unknown sub-store (sees nothing), a first page without rows (200 with total 0), a
second `POST /payments/prepare` (HTTP 200 with code 1), `limit` above 1000 (400).
"""

from .accounts import Account
from .console import Simulator
from .payment import DEMO_BUYER_NAME, Payment
from .redirects import VARIANTS
from .server import make_app, running
from .window import NotPossible, WindowRefused

__all__ = [
    "DEMO_BUYER_NAME",
    "VARIANTS",
    "Account",
    "NotPossible",
    "Payment",
    "Simulator",
    "WindowRefused",
    "make_app",
    "running",
]
