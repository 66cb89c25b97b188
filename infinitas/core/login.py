"""A login: what a person's cookie stands for."""

from dataclasses import dataclass
from datetime import datetime

from infinitas.core.roles import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Made with a token, or through a provider.

    Attributes:
        id: for lists; the cookie can't be made of it.
        name: of the token or the person.
        origin: the address that it was made from; empty if unknown.
        token: id of the token that it was made with.
        person: where there is no token.
    """

    id: str
    name: str
    created: datetime
    expires: datetime
    origin: str = ""
    token: str | None = None
    person: Person | None = None
