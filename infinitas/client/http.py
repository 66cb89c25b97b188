"""Requests to a server's HTTP API: their answers as models, their refusals as errors."""

from datetime import datetime
from typing import TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from infinitas.core.codec import instant
from infinitas.core.errors import (
    BadSchedule,
    InfinitasError,
    KeyTaken,
    ServerUnreachable,
    Unauthorized,
    by_code,
)
from infinitas.core.task_definition import TaskDefinition
from infinitas.runtime.certificates import Certificates
from infinitas.runtime.masking import mask_text, mask_url
from infinitas.runtime.tls import client_context, warn_of_plain_text
from infinitas.wire.paths import PREFIX

TIMEOUT_S = 15.0
Model = TypeVar("Model")


class Http:
    """One server, with the token for it."""

    def __init__(self, url: str, token: str | None, certificates: Certificates) -> None:
        warn_of_plain_text(url, token)
        self._url = url.replace("ws", "http", 1).rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        base = httpx.URL(self._url + PREFIX)
        self._client = httpx.AsyncClient(
            # httpx logs the URL of each request, so user and password don't stay in it.
            base_url=base.copy_with(userinfo=b""),
            auth=(base.username, base.password) if base.userinfo else None,
            headers=headers,
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=client_context(certificates) if base.scheme == "https" else True,
        )

    async def request(
        self, method: str, path: str, body: object = None, *, wait_s: int = 0, **query: object
    ) -> bytes:
        """The content of the response. `wait_s`: how long the server may wait before it responds.

        Raises:
            InfinitasError: the one whose code the server returned. ServerUnreachable: no response came.
        """
        given = {name: value for name, value in query.items() if value is not None}
        headers = {} if body is None else {"Content-Type": "application/json"}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        try:
            response = await self._client.request(
                method,
                path,
                content=None if body is None else _json(body),
                params=cast(dict[str, str], given),
                headers=headers,
                timeout=TIMEOUT_S + wait_s,
            )
        except httpx.HTTPError as error:
            why = mask_text(str(error) or type(error).__name__, self._url)
            raise ServerUnreachable(f"The server at {mask_url(self._url)} gave no answer ({why}).") from None
        if not response.is_success:
            raise _error(response)
        return response.content

    async def fetch(
        self,
        kind: TypeAdapter[Model],
        /,
        method: str,
        path: str,
        body: object = None,
        *,
        wait_s: int = 0,
        **query: object,
    ) -> Model:
        """`request`, with the content as a model. Raises as it does."""
        content = await self.request(method, path, body, wait_s=wait_s, **query)
        try:
            return kind.validate_json(content)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            raise ServerUnreachable(
                f"The server at {mask_url(self._url)} returned what this version can't read: "
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg'][:200]}."
            ) from None

    async def declare(self, task: TaskDefinition) -> None:
        """Declare a task on the server; one that it has already stays unchanged."""
        await self.request("PUT", f"/tasks/{quoted(task.name)}", task.options)

    async def close(self) -> None:
        await self._client.aclose()


def _json(body: object) -> bytes:
    """Moments, which only schedules have, go in UTC: JSON has no seconds of an offset. Raises BadSchedule."""
    if isinstance(body, dict):
        body = {name: _in_utc(name, value) for name, value in body.items()}
    return to_json(body)


def _in_utc(name: str, value: object) -> object:
    return instant(value, name, BadSchedule) if isinstance(value, datetime) else value


def quoted(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def _error(response: httpx.Response) -> InfinitasError:
    """The error of a problem response (RFC 9457), as the server raised it."""
    try:
        problem = response.json()
        code, detail = problem["code"], problem["detail"]
        faults = "; ".join(f"{each['pointer']}: {each['detail']}" for each in problem.get("errors", []))
    except (ValueError, KeyError, TypeError):
        return ServerUnreachable(
            f"{response.request.url.host} is no Infinitas server (HTTP {response.status_code})."
        )
    remedy = "Set INFINITAS_TOKEN, or the setting `token`, to it." if code == Unauthorized.code else ""
    error = by_code(code)(" ".join(part for part in (detail, faults, remedy) if part))
    if isinstance(error, KeyTaken):
        # That of a schedule's key names no job.
        error.job = str(error).partition(" already: ")[2].rstrip(".")
    return error
