"""What each request and response must have, before and behind all routes."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infinitas.server import problems

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
UNLESS_SET = {"Cache-Control": "no-store"}
OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
_VERSIONS = ("1.0", "1.1", "2", "3")


class Edge:
    """ASGI middleware: refuses requests that servers read in different ways; adds headers to responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (
                    *ALWAYS.items(),
                    *(OVER_TLS.items() if scope["scheme"] == "https" else ()),
                ):
                    headers[name] = value
                for name, value in UNLESS_SET.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = _refuse(scope)
        if refused is None:
            return await self._app(scope, receive, send_with_headers)
        status, detail = refused
        response = problems.answer(status, "bad_request", detail)
        response.headers["Connection"] = "close"
        await response(scope, receive, send_with_headers)


def _refuse(scope: Scope) -> tuple[int, str] | None:
    if scope["http_version"] not in _VERSIONS:
        return 505, "This server has HTTP/1.1."
    headers = Headers(scope=scope)
    if "content-length" in headers and "transfer-encoding" in headers:
        # A proxy may have taken the other length: the rest would be another request (RFC 9112, 6.1).
        return 400, "Content-Length and Transfer-Encoding exclude each other."
    return None
