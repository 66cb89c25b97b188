"""Other sides of channels: an HTTP(S) receiver with every bad manner, and a real SMTP server."""

import asyncio
import email
import email.policy
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers each request with the next of `answers`; the last one again and again.

    An answer is the bytes of a whole response, or the name of a bad manner: `slow` never answers, `endless`
    sends a body without end, `headers` sends headers without end, `drop` closes the connection. An event: a
    good answer as soon as it is set.
    """

    url: str
    answers: list[bytes | str | asyncio.Event]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Request(first.split()[1], headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "slow":
            await reader.read()
        elif answer in ("endless", "headers"):
            start = b"HTTP/1.1 500 no\r\n" + (b"\r\n" if answer == "endless" else b"")
            writer.write(start)
            while True:
                writer.write(b"x: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)
        elif answer != "drop":
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                answer = response("204 No Content")
            assert isinstance(answer, bytes)
            writer.write(answer)
            await writer.drain()


def response(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


@asynccontextmanager
async def receiver(
    *answers: bytes | str | asyncio.Event, certificate: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    found = Receiver("", list(answers) or [response("204 No Content")])
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0, ssl=certificate)
    scheme = "https" if certificate else "http"
    found.url = f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}/hook/s3cret"
    try:
        yield found
    finally:
        server.close()


@dataclass
class Certificate:
    """Of localhost, or of another name. `server` presents it, `trusting` trusts it."""

    server: ssl.SSLContext
    trusting: ssl.SSLContext


def make_certificate(folder: Path, name: str = "localhost") -> Certificate:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2"]
    subprocess.run([*new, "-keyout", key, "-out", cert, *names], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return Certificate(server, ssl.create_default_context(cafile=str(cert)))


class Mailbox:
    """A handler of aiosmtpd: takes mail, or refuses recipients."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.tls: list[bool] = []

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuses and self.refuses in address:
            return "550 no such mailbox\x1b[31m"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        found = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        self.mails.append(found)
        self.envelopes.append(envelope)
        self.tls.append(session.ssl is not None)
        return "250 OK"


def _login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ops", b"pa ss")
    # A refusal that is not handled here is answered by the server.
    return AuthResult(success=right, handled=right)


@asynccontextmanager
async def mail_server(
    mailbox: Mailbox,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
) -> AsyncIterator[int]:
    """Yields its port."""

    def make() -> SMTP:
        with warnings.catch_warnings():
            # It does not know that the TLS was there from the start.
            warnings.simplefilter("ignore")
            return SMTP(
                mailbox,
                hostname="localhost",
                tls_context=starttls,
                require_starttls=starttls is not None,
                authenticator=_login if login else None,
                auth_required=login,
                auth_require_tls=tls is None,
            )

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
