"""Roles of a person by a claim of the ID token."""

import pytest

from infinitas.core.roles import name_by, scopes_by

ROLES = {"ops": ("read", "jobs"), "staff": ("read",), "a@b.example": ("admin",)}


@pytest.mark.parametrize(
    ("claims", "path", "scopes"),
    [
        ({"groups": ["ops", "staff", "x", 1, None]}, "groups", ("jobs", "read")),
        ({"groups": "staff"}, "groups", ("read",)),
        ({"realm_access": {"roles": ["ops"]}}, "realm_access.roles", ("jobs", "read")),
        ({"https://x.example/roles": ["staff"]}, "https://x.example/roles", ("read",)),
        ({"email": "a@b.example", "email_verified": True}, "email", ("admin",)),
        ({"email": "a@b.example", "email_verified": "true"}, "email", ()),
        ({"email": "a@b.example"}, "email", ()),
        ({"groups": {"ops": True}}, "groups", ()),
        ({"groups": ["Ops"]}, "groups", ()),
        ({"realm_access": ["ops"]}, "realm_access.roles", ()),
        ({}, "groups", ()),
    ],
)
def test_scopes(claims: dict[str, object], path: str, scopes: tuple[str, ...]) -> None:
    assert scopes_by(claims, path, ROLES) == scopes


def test_names_are_printable_and_short() -> None:
    assert name_by({"preferred_username": "\x1b\n", "email": "a@b\u202e", "sub": "1"}) == "a@b"
    assert name_by({"name": "x" * 900}) == "x" * 100
    assert name_by({"sub": 7}) == "?"
