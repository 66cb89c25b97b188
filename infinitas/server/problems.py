"""Errors as RFC 9457 problem details, with the codes of docs/errors.md."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infinitas.core import errors
from infinitas.core.errors import InfinitasError
from infinitas.core.text import clean
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_text

_log = get_logger("server")
MEDIA_TYPE = "application/problem+json"
_STATUS: Mapping[type[InfinitasError], HTTPStatus] = {
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.UnknownTask: HTTPStatus.NOT_FOUND,
    errors.UnknownJob: HTTPStatus.NOT_FOUND,
    errors.UnknownSchedule: HTTPStatus.NOT_FOUND,
    errors.UnknownToken: HTTPStatus.NOT_FOUND,
    errors.UnknownLogin: HTTPStatus.NOT_FOUND,
    errors.UnknownIncident: HTTPStatus.NOT_FOUND,
    errors.UnknownMute: HTTPStatus.NOT_FOUND,
    errors.UnknownRule: HTTPStatus.NOT_FOUND,
    errors.UnknownChannel: HTTPStatus.NOT_FOUND,
    errors.UnknownDelivery: HTTPStatus.NOT_FOUND,
    errors.ChannelOfFile: HTTPStatus.CONFLICT,
    errors.UnknownQueue: HTTPStatus.NOT_FOUND,
    errors.UnknownWorker: HTTPStatus.NOT_FOUND,
    errors.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Changed: HTTPStatus.PRECONDITION_FAILED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.BacklogFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KeyTaken: HTTPStatus.CONFLICT,
    errors.NameTaken: HTTPStatus.CONFLICT,
    errors.ExternalTask: HTTPStatus.CONFLICT,
    errors.StillServed: HTTPStatus.CONFLICT,
    errors.NotEnded: HTTPStatus.CONFLICT,
    errors.AlreadyEnded: HTTPStatus.CONFLICT,
    errors.AlreadySucceeded: HTTPStatus.CONFLICT,
    errors.Refused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ServerUnreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnsafeBroker: HTTPStatus.SERVICE_UNAVAILABLE,
}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


class Fault(BaseModel):
    """One fault in a request: where (a JSON pointer), and what."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """The body of every error response (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: list[Fault] = []


def answer(status: int, code: str, detail: str, faults: list[Fault] | None = None) -> JSONResponse:
    """One problem as a response."""
    # The detail may quote the request, with lone surrogates in it.
    text, phrase = clean(detail), HTTPStatus(status).phrase
    problem = Problem(title=phrase, status=status, code=code, detail=text, errors=faults or [])
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(problem.model_dump(), status, headers, MEDIA_TYPE)


def status_of(error: InfinitasError) -> HTTPStatus:
    """The status of the nearest base class that has one."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return HTTPStatus.BAD_REQUEST


def install(api: FastAPI) -> None:
    """Make the API answer every error as a problem."""

    @api.exception_handler(InfinitasError)
    async def ours(_request: Request, error: InfinitasError) -> JSONResponse:
        response = answer(status_of(error), error.code, str(error))
        if isinstance(error, errors.RateLimited):
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @api.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            Fault(
                pointer=clean("/" + "/".join(map(str, each["loc"])))[:200],
                detail=clean(each["msg"])[:200],
            )
            for each in error.errors()[:20]
        ]
        return answer(422, "bad_request", "The request has another form than the API expects.", faults)

    @api.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        response = answer(error.status_code, _CODES.get(error.status_code, "bad_request"), str(error.detail))
        # Such as `Allow`, of a method that the path does not have.
        response.headers.update(error.headers or {})
        return response

    api.add_middleware(_Unexpected)


class _Unexpected:
    """ASGI middleware: an unexpected error is answered with 500, and the connection stays open.

    Starlette's own handler raises such errors again. Uvicorn then closes the connection unannounced, and the
    client's next request fails as well.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started:
                raise
            _log.error("%s %s failed.", scope["method"], mask_text(scope["path"]), exc_info=error)
            await answer(500, "error", "The server failed; its log has the traceback.")(scope, receive, send)
