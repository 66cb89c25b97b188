"""Arguments that a task hides."""

import pytest

from infinitas import Infinitas
from infinitas.core.errors import ConfigError
from infinitas.core.redaction import HIDDEN, hidden_values, is_secret_name, mask, mask_value, redact


@pytest.mark.parametrize(
    ("path", "args", "kwargs"),
    [
        ("a", [1, [2]], {"a": "***"}),
        ("a.b", [1, [2]], {"a": {"b": "***", "c": 3}}),
        ("a.x", [1, [2]], {"a": {"b": 2, "c": 3}}),
        ("0", ["***", [2]], {"a": {"b": 2, "c": 3}}),
        ("1.0", [1, ["***"]], {"a": {"b": 2, "c": 3}}),
        ("a.*", [1, [2]], {"a": {"b": "***", "c": "***"}}),
        ("*", ["***", "***"], {"a": {"b": 2, "c": 3}}),
        ("1.*", [1, ["***"]], {"a": {"b": 2, "c": 3}}),
        ("9.9", [1, [2]], {"a": {"b": 2, "c": 3}}),
    ],
)
def test_the_value_at_a_path_is_hidden(path: str, args: object, kwargs: object) -> None:
    given = [1, [2]], {"a": {"b": 2, "c": 3}}
    assert redact(*given, [path, "9"]) == (args, kwargs)
    assert given == ([1, [2]], {"a": {"b": 2, "c": 3}})


def test_a_parameter_given_by_position_is_hidden() -> None:
    app = Infinitas()

    @app.task(redact=["card.number", "secret"])
    def pay(sum: int, card: object, *, secret: str) -> None: ...

    assert pay.definition.redact == ("card.number", "secret", "1.number", "2")
    with pytest.raises(ConfigError):
        app.task(name="x", redact=[""])(lambda: None)


@pytest.mark.parametrize("path", ["cards.number", "cards.*.number", "cards.0.number"])
def test_a_path_reaches_into_lists(path: str) -> None:
    _, shown = redact([], {"cards": [{"number": "4111", "to": "a"}]}, [path])
    assert shown == {"cards": [{"number": HIDDEN, "to": "a"}]}


def test_a_path_by_name_hides_arguments_whose_names_are_unknown() -> None:
    """Tasks in other languages have no parameters by name."""
    assert redact(["hunter2", 5], {}, ["password"])[0] == [HIDDEN, HIDDEN]
    assert redact([1], {"password": "hunter2"}, ["password"]) == ([1], {"password": HIDDEN})
    assert redact(["hunter2", 5], {}, ["password", "0"])[0] == [HIDDEN, 5], "its place is known"


SECRET = [
    "password",
    "PASSWORD",
    "dbPassword",
    "db_pwd",
    "client-secret",
    "apiKey",
    "X-Api-Key",
    "access_token",
]
HARMLESS = ["tokens", "max_tokens", "secretary", "keyboard", "pass", "key", "name", "monkey"]


def test_secret_names_are_hidden_at_any_depth() -> None:
    assert [name for name in SECRET if not is_secret_name(name)] == []
    assert [name for name in HARMLESS if is_secret_name(name)] == []
    given = {"user": {"name": "a", "logins": [{"apiKey": "k-123"}, {"apiKey": None}]}}
    assert redact([given], {"token": "t"}, []) == (
        [{"user": {"name": "a", "logins": [{"apiKey": HIDDEN}, {"apiKey": None}]}}],
        {"token": HIDDEN},
    )


def test_hidden_values_are_masked_in_other_texts() -> None:
    arguments = {"p": {"a": 'hun"ter2', "n": 4111, "short": "abc"}, "q": 1}
    before: tuple[list[object], dict[str, object]] = ([], arguments)
    values = hidden_values(before, redact(*before, ["p"]))
    assert values == {'hun"ter2', "4111"}
    text = """no hun"ter2, no {'a': 'hun"ter2'}, no {"a": "hun\\"ter2"}, no 4111; but abc"""
    assert mask(text, values) == """no ***, no {'a': '***'}, no {"a": "***"}, no ***; but abc"""
    assert mask_value({"a": ['hun"ter2', 4111, 5, True]}, values) == {"a": [HIDDEN, HIDDEN, 5, True]}
    assert mask("more values than can be looked for", {f"value {n}" for n in range(201)}) == HIDDEN


def test_a_value_of_many_lines_is_masked_line_by_line() -> None:
    key = "-----BEGIN KEY-----\r\nMIIEvQIBADAN\n  c0ffee==\n\nx"
    before = [[], {"privateKey": key}]
    values = hidden_values(before, list(redact([], {"privateKey": key}, [])))
    assert mask(key, values) == "***"
    assert mask("read MIIEvQIBADAN", values) == "read ***"
    assert mask("c0ffee==", values) == "***"
    assert mask("x marks no secret", values) == "x marks no secret"


def test_parameters_with_secret_names_are_hidden_by_position() -> None:
    app = Infinitas()

    @app.task
    def connect(host: str, password: str) -> None: ...

    assert connect.definition.redact == ("password", "1")
