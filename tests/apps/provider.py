"""A provider of OpenID Connect on localhost: `python -m tests.apps.provider PORT`. It requires PKCE.

Its people: `ada` is of the groups ops and staff, `bob` of none.
"""

import base64
import hashlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.simple_server import make_server

warnings.simplefilter("ignore")
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from oidc_provider_mock import User, app  # noqa: E402

PEOPLE = [
    User(sub="ada", claims={"preferred_username": "ada", "groups": ["ops", "staff"]}),
    User(sub="bob", claims={"preferred_username": "bob", "groups": ["guests"]}),
]
Start = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], Start], Iterable[bytes]]


class RequirePkce:
    """WSGI middleware: a code is exchanged only with the verifier of its sign-in's challenge (RFC 7636)."""

    def __init__(self, inner: Wsgi) -> None:
        self._inner = inner
        self._challenges: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/oauth2/token":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = BytesIO(body)
            form = parse_qs(body.decode())
            digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if self._challenges.pop(form["code"][0], "") != challenge:
                start("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error":"invalid_grant"}']
        query = parse_qs(environ["QUERY_STRING"])

        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            location = dict(headers).get("Location", "")
            if code := parse_qs(urlsplit(location).query).get("code"):
                assert query["code_challenge_method"] == ["S256"]
                self._challenges[code[0]] = query["code_challenge"][0]
            return start(status, headers, *more)

        return self._inner(environ, started)


if __name__ == "__main__":
    logging.disable()
    provider = RequirePkce(app(require_nonce=True, user_claims=PEOPLE))
    make_server("localhost", int(sys.argv[1]), provider).serve_forever()
