"""The settings by which people sign in through a provider of OpenID Connect."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr
from pydantic_core import from_json

from infinitas.core.access import check_scopes
from infinitas.core.errors import BadArgs


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """A provider, and what its people may do.

    Attributes:
        issuer: the provider's address, as it names itself.
        claim: the claim of the ID token that has a person's roles.
        roles: value of the claim → scopes.
        scope: what the provider is asked for.
    """

    issuer: str
    client_id: str
    client_secret: SecretStr | None
    claim: str
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scope: str = "openid profile email"


def read_roles(value: object) -> dict[str, tuple[str, ...]]:
    """A table, or JSON in the environment: value of the claim → list of scopes. Raises ValueError."""
    try:
        found = from_json(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise ValueError('a table of roles, e.g. {"ops": ["read", "jobs"]}; in the environment as JSON')
    roles: dict[str, tuple[str, ...]] = {}
    for role, scopes in found.items():
        if not isinstance(scopes, (list, tuple)) or not all(isinstance(scope, str) for scope in scopes):
            raise ValueError(f"a list of scopes for the role {str(role)!r:.80}")
        try:
            roles[str(role)] = check_scopes(scopes)
        except BadArgs as error:
            raise ValueError(str(error)) from None
    return roles
