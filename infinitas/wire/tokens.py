"""The JSON of access tokens."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from infinitas.core.access import AccessToken


class TokenView(BaseModel):
    """A token, without its secret."""

    id: str
    name: str
    scopes: list[str]
    created: datetime
    expires: datetime | None

    @classmethod
    def of(cls, stored: AccessToken, /, **more: str | None) -> Self:
        fields = {name: getattr(stored, name) for name in ("id", "name", "created", "expires")}
        scopes = [str(scope) for scope in stored.scopes]
        return cls.model_validate({**fields, "scopes": scopes, **more})


class NewToken(TokenView):
    """A new token. `token` is its text: only a digest of it is stored, and it is shown this once."""

    token: str
    warning: str | None
    """Of the first token: what changes for requests without one."""
