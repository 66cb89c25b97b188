"""Which scopes a person gets at a sign-in through a provider: by a claim of the ID token. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_NAME_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person, authenticated by a provider.

    Attributes:
        subject: the provider's id of the person, which never changes.
        name: for people to read; persons may choose it.
    """

    subject: str
    name: str
    scopes: tuple[str, ...]


def scopes_by(claims: Mapping[str, object], path: str, roles: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The scopes of all roles that the claim names; none if it names none.

    Args:
        path: name of the claim, or the way to it: `realm_access.roles`.
        roles: value of the claim → scopes.
    """
    if path == "email" and claims.get("email_verified") is not True:
        # A person may type in any address, until the provider has checked it.
        return ()
    value = _at(claims, path)
    named = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    found = {scope for role in named if isinstance(role, str) for scope in roles.get(role, ())}
    return tuple(sorted(found))


def name_by(claims: Mapping[str, object]) -> str:
    """A name for the audit and the page."""
    for claim in ("preferred_username", "email", "name", "sub"):
        if isinstance(value := claims.get(claim), str) and (clean := "".join(filter(str.isprintable, value))):
            return clean[:MOST_NAME_CHARS]
    return "?"


def _at(claims: Mapping[str, object], path: str) -> object:
    if path in claims:  # A name may be an address, with dots in it.
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
