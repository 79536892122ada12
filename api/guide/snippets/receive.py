from sqlite3 import Connection  # any database with transactions will do

from verify import verify

TABLES = """
CREATE TABLE heard (event TEXT PRIMARY KEY);
CREATE TABLE payments (id TEXT PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE deeds (order_id TEXT, payment TEXT, deed TEXT,
                    UNIQUE (order_id, payment, deed));
"""

TAKE_BACK = (
    "payment.cancelled",
    "payment.partially_cancelled",
    "payment.virtual_account.deposit_reversed",
)


def callback(db: Connection, body: bytes, headers: dict[str, str]) -> int:
    """Return the status to answer with."""
    event = verify(body, headers)
    if event is None:
        return 400
    with db:  # one transaction: what is noted as heard has been done
        note = "INSERT INTO heard VALUES (?) ON CONFLICT DO NOTHING"
        first = db.execute(note, [event["id"]]).rowcount == 1
        if first and is_news(db, event["data"].get("payment")):
            act(db, event)
    return 200


def is_news(db: Connection, payment: dict | None) -> bool:
    """Say whether no later version of this payment was heard before."""
    if payment is None:  # account.*, endpoint.* and claim.* are about no payment
        return True
    newest = """INSERT INTO payments VALUES (?, ?) ON CONFLICT (id) DO UPDATE
                SET version = excluded.version WHERE version < excluded.version"""
    return db.execute(newest, [payment["id"], payment["version"]]).rowcount == 1


def act(db: Connection, event: dict) -> None:
    """Do what an event asks for; what you do not know is none of your business."""
    payment = event["data"].get("payment")
    if payment is None:
        return
    type_ = event["type"]
    if type_ == "payment.paid" and payment["verification"]["result"] == "matched":
        do(db, event, "fulfil")
    elif type_ == "payment.review.resolved":
        accepted = payment["resolution"]["decision"] == "accepted"
        if accepted and payment["status"] == "paid":
            do(db, event, "fulfil")
    elif type_ == "payment.paid" or type_.startswith("payment.review."):
        do(db, event, "let a person look")
    elif type_ in TAKE_BACK:
        do(db, event, "take back")


def do(db: Connection, event: dict, deed: str) -> None:
    """Put your own here. Mail and shipping belong into a queue in the same database."""
    data = event["data"]
    once = "INSERT INTO deeds VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    db.execute(once, [data["order"]["id"], data["payment"]["id"], deed])
