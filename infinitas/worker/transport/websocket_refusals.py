"""What a server refuses for good: errors after which the worker must not connect again."""

from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError

from infinitas.core.errors import ConfigError, Forbidden, InfinitasError, Unauthorized, by_code
from infinitas.wire import close_codes
from infinitas.worker.transport.websocket_requests import Message

Kind = type[InfinitasError]
_BY_CLOSE_CODE: dict[int, Kind] = {
    close_codes.BAD_FRAME: ConfigError,
    close_codes.UNAUTHORIZED: Unauthorized,
    close_codes.FORBIDDEN: Forbidden,
    close_codes.TAKEN_OVER: ConfigError,
    close_codes.WRONG_VERSION: ConfigError,
}
_BY_STATUS: dict[int, Kind] = {401: Unauthorized, 403: Forbidden, 426: ConfigError}
"""Of the HTTP handshake: a proxy before the server may refuse as well."""
_SAME_VERSION = "Install the version of Infinitas that the server has."
_REMEDIES: dict[Kind, str] = {
    Unauthorized: "Set INFINITAS_TOKEN to a valid token and start the worker again: `infinitas token add` "
    "at the server makes one.",
    Forbidden: "Set INFINITAS_TOKEN to a token with the scope `worker` for all tasks of this worker, and "
    "start it again.",
}


def refusal(error: Exception, last: Message | None) -> InfinitasError | None:
    """The refusal that ended a connection, or a handshake; None: connect again.

    Args:
        last: the last `err` of the server that answers no frame.
    """
    if isinstance(error, ConnectionClosed):
        closed = error.rcvd
        if closed is None or closed.code not in _BY_CLOSE_CODE:
            return None
        if last is not None and last["code"] == closed.reason:
            return refusal_of(last)
        remedy = _SAME_VERSION if closed.code == close_codes.WRONG_VERSION else ""
        return _refused(_BY_CLOSE_CODE[closed.code], closed.reason or f"close code {closed.code}", remedy)
    if isinstance(error, InvalidStatus) and error.response.status_code in _BY_STATUS:
        status = error.response.status_code
        return _refused(_BY_STATUS[status], f"HTTP {status}", _SAME_VERSION if status == 426 else "")
    if isinstance(error, NegotiationError):
        return _refused(ConfigError, str(error), _SAME_VERSION)
    return None


def refusal_of(message: Message) -> InfinitasError:
    """The error of an `err` frame that answers no other frame."""
    return _refused(by_code(message["code"], ConfigError), message.get("detail") or message["code"])


def _refused(kind: Kind, why: str, remedy: str = "") -> InfinitasError:
    text = f"The server refuses this worker: {why.rstrip('.')}. {remedy or _REMEDIES.get(kind, '')}"
    return kind(text.rstrip())
