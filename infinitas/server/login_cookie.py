"""The cookie of a login: which name it has, and how it is set."""

from fastapi import Response
from fastapi.requests import HTTPConnection

from infinitas.broker.logins import KEEP_S

NAME = "infinitas_login"
SIGN_IN_S = 600
"""How long a person may take to sign in at a provider."""


def cookie_name(connection: HTTPConnection) -> str:
    """One for each port of this machine; over TLS one that only this host can have set."""
    if connection.scope["scheme"] in ("https", "wss"):
        return f"__Host-{NAME}"
    server = connection.scope.get("server")
    return f"{NAME}_{server[1]}" if server else NAME


def sign_in_name(connection: HTTPConnection) -> str:
    """Of the cookie that a browser has while its person signs in at a provider."""
    return cookie_name(connection).replace(NAME, f"{NAME}_oidc")


def set_sign_in(connection: HTTPConnection, response: Response, value: str) -> None:
    name = sign_in_name(connection)
    # Lax: the provider, which is another site, sends the browser back.
    secure = name.startswith("__Host-")
    response.set_cookie(name, value, max_age=SIGN_IN_S, httponly=True, samesite="lax", secure=secure)


def unset_sign_in(connection: HTTPConnection, response: Response) -> None:
    name = sign_in_name(connection)
    response.delete_cookie(name, httponly=True, samesite="lax", secure=name.startswith("__Host-"))


def set_login(connection: HTTPConnection, response: Response, secret: str) -> None:
    name = cookie_name(connection)
    secure = name.startswith("__Host-")
    response.set_cookie(name, secret, max_age=KEEP_S, httponly=True, samesite="strict", secure=secure)


def unset_login(connection: HTTPConnection, response: Response) -> None:
    name = cookie_name(connection)
    response.delete_cookie(name, httponly=True, samesite="strict", secure=name.startswith("__Host-"))
