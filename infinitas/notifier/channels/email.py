"""The email channel: SMTP, in a thread, over a connection that is closed when the time is over."""

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from infinitas.core.channel_config import Email
from infinitas.core.notice import Notice
from infinitas.core.plural import counted
from infinitas.notifier.channels.addresses import Networks, resolve
from infinitas.notifier.channels.certificates import system_certificates
from infinitas.notifier.channels.sending import LONGEST_SEND_S, SendFailed, message_id
from infinitas.notifier.messages import mail
from infinitas.notifier.messages.rendering import render
from infinitas.notifier.messages.safe_text import line
from infinitas.runtime.loop import retrieve

STEP_S = 10.0
"""For one command of SMTP."""
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
# Of its own: a slow mail server must not delay what else needs a thread, such as name resolution.
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="smtp")


class EmailChannel:
    """Sends the long form as mail, with one Message-ID for each notice.

    Args:
        certificates: trusted ones, for tests; None: those of the system.
    """

    def __init__(
        self,
        config: Email,
        networks: Networks = (),
        certificates: ssl.SSLContext | None = None,
        limit_s: float = LONGEST_SEND_S,
    ) -> None:
        self._config = config
        self._networks = networks
        self._certificates = certificates
        self._limit_s = limit_s

    async def send(self, notice: Notice) -> str:
        """See `Channel.send`."""
        message = compose(self._config, notice)
        addresses = await resolve(self._config.host, self._config.real_port, self._networks)
        session = _Session(self._config, addresses, self._certificates or system_certificates())
        sending = asyncio.get_running_loop().run_in_executor(_threads, session.send, message)
        try:
            async with asyncio.timeout(self._limit_s):
                return await asyncio.shield(sending)
        except TimeoutError:
            raise SendFailed(
                f"The mail server did not take the message within {self._limit_s:g} s."
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise SendFailed(_explain(error)) from None
        finally:
            session.cut()
            sending.add_done_callback(retrieve)


class _Session:
    """One connection to the mail server, used in a thread; `cut` ends it from outside."""

    def __init__(self, config: Email, addresses: list[str], certificates: ssl.SSLContext) -> None:
        self._config = config
        self._addresses = addresses
        self._certificates = certificates
        self._copy: socket.socket | None = None
        """Of the socket, because TLS takes the socket itself away."""
        self._over = False

    def send(self, message: EmailMessage) -> str:
        config = self._config
        with _SmtpTls(self, self._certificates) if config.security == "tls" else _Smtp(self) as smtp:
            smtp.connect(config.host, config.real_port)
            if config.security == "starttls":
                smtp.starttls(context=self._certificates)
            if config.username is not None and config.password is not None:
                smtp.login(config.username, config.password.get_secret_value())
            refused = smtp.send_message(message, config.sender, list(config.to))
            if refused:
                return f"accepted, but not for {counted(len(refused), 'recipient')}: {_refusals(refused)}"
            return "accepted"

    def connect(self, port: int) -> socket.socket:
        """A connection to one of the checked addresses. Raises OSError."""
        failure: OSError | None = None
        for address in self._addresses:
            if self._over:
                break
            try:
                found = socket.create_connection((address, port), STEP_S)
            except OSError as error:
                failure = failure or error
            else:
                self._copy = found.dup()
                return found
        raise failure or TimeoutError("the time is over")

    def cut(self) -> None:
        """Let whatever waits for this connection fail at once; harmless after the end."""
        self._over = True
        if self._copy is not None:
            with self._copy, contextlib.suppress(OSError):
                self._copy.shutdown(socket.SHUT_RDWR)


class _Smtp(smtplib.SMTP):
    """Connects where its session does; TLS still verifies the configured name."""

    def __init__(self, session: _Session) -> None:
        self._session = session
        super().__init__(local_hostname=_own_name(), timeout=STEP_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # `starttls` verifies the certificate for this name.
        self._host = host
        return self._session.connect(port)


class _SmtpTls(smtplib.SMTP_SSL):
    def __init__(self, session: _Session, certificates: ssl.SSLContext) -> None:
        self._session = session
        super().__init__(local_hostname=_own_name(), timeout=STEP_S, context=certificates)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.context.wrap_socket(self._session.connect(port), server_hostname=host)


def compose(config: Email, notice: Notice) -> EmailMessage:
    """The mail of a notice."""
    domain = config.sender.rpartition("@")[2]
    message = EmailMessage()
    message["From"] = Address("Infinitas", addr_spec=config.sender)
    message["To"] = ", ".join(config.to)
    message["Subject"] = render(mail.subject, notice)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{message_id(notice)}@{domain}>"
    if thread := _thread(notice):
        message["References"] = f"<{thread}@{domain}>"
    message["List-Id"] = f"<{re.sub(r'[^A-Za-z0-9-]', '-', notice.channel)}.infinitas.{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(render(mail.text, notice))
    message.add_alternative(render(mail.html, notice), subtype="html")
    return message


def _thread(notice: Notice) -> str:
    """Mails about the same incident refer to the same id, so that a mail client shows them together."""
    if len(notice.troubles) != 1:
        return ""
    found = re.sub(r"[^A-Za-z0-9_-]", "-", notice.troubles[0].incident.id)[:120]
    return f"incident-{found}"


def _own_name() -> str:
    """For HELO; not the resolver's name, which may take seconds to find."""
    name = socket.gethostname()
    return name if _HOST.fullmatch(name) else "localhost"


def _explain(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"The mail server refused all recipients: {_refusals(error.recipients)}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"The mail server refused the login ({error.smtp_code})."
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else ""
        return f"The mail server answered {error.smtp_code}: {line(text or error.smtp_error, 200)}"
    return f"No mail was sent ({line(error, 200) or type(error).__name__})."


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    found = (f"{to} {code} {text.decode(errors='replace')}" for to, (code, text) in refused.items())
    return line("; ".join(found), 300)
