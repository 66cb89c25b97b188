"""The cookie of a login: which name it has, and how it is set."""

from fastapi import Response
from fastapi.requests import HTTPConnection

from infinitas.broker.logins import KEEP_S

NAME = "infinitas_login"


def cookie_name(connection: HTTPConnection) -> str:
    """One for each port of this machine; over TLS one that only this host can have set."""
    if connection.scope["scheme"] in ("https", "wss"):
        return f"__Host-{NAME}"
    server = connection.scope.get("server")
    return f"{NAME}_{server[1]}" if server else NAME


def set_login(connection: HTTPConnection, response: Response, secret: str) -> None:
    name = cookie_name(connection)
    secure = name.startswith("__Host-")
    response.set_cookie(name, secret, max_age=KEEP_S, httponly=True, samesite="strict", secure=secure)


def unset_login(connection: HTTPConnection, response: Response) -> None:
    name = cookie_name(connection)
    response.delete_cookie(name, httponly=True, samesite="strict", secure=name.startswith("__Host-"))
