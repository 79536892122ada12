"""A mail server on a loopback port, which keeps what it takes and can be told to refuse."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(slots=True)
class Postbox:
    """What the server took, and how many letters it still refuses."""

    port: int = 0
    refusals: int = 0
    letters: list[EmailMessage] = field(default_factory=list)

    def subjects(self) -> list[str]:
        return sorted(str(letter["Subject"]) for letter in self.letters)


class Conversation(socketserver.StreamRequestHandler):
    """One client's SMTP, as far as a client that sends needs it."""

    def handle(self) -> None:
        self.say("220 postbox")
        while line := self.rfile.readline().decode().strip():
            match line.split()[0].upper():
                case "DATA":
                    self.take()
                case "RCPT" if self.postbox.refusals:
                    self.postbox.refusals -= 1
                    self.say(f"451 no room now for {line.partition(':')[2]}")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")

    @property
    def postbox(self) -> Postbox:
        return self.server.postbox  # type: ignore[attr-defined]

    def take(self) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        letter = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.postbox.letters.append(letter)
        self.say("250 taken")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class PostOffice(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def running_postbox() -> Iterator[Postbox]:
    """Run the server while inside."""
    with PostOffice(("127.0.0.1", 0), Conversation) as server:
        server.postbox = postbox = Postbox(port=server.server_address[1])  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield postbox
        server.shutdown()
