"""Arguments that a task hides."""

import pytest

from infinitas import Infinitas
from infinitas.core.errors import ConfigError
from infinitas.core.redaction import redact


@pytest.mark.parametrize(
    ("path", "args", "kwargs"),
    [
        ("a", [1, [2]], {"a": "***"}),
        ("a.b", [1, [2]], {"a": {"b": "***", "c": 3}}),
        ("a.x", [1, [2]], {"a": {"b": 2, "c": 3}}),
        ("0", ["***", [2]], {"a": {"b": 2, "c": 3}}),
        ("1.0", [1, ["***"]], {"a": {"b": 2, "c": 3}}),
        ("9.9", [1, [2]], {"a": {"b": 2, "c": 3}}),
    ],
)
def test_the_value_at_a_path_is_hidden(path: str, args: object, kwargs: object) -> None:
    given = [1, [2]], {"a": {"b": 2, "c": 3}}
    assert redact(*given, [path]) == (args, kwargs)
    assert given == ([1, [2]], {"a": {"b": 2, "c": 3}})


def test_a_parameter_given_by_position_is_hidden() -> None:
    app = Infinitas()

    @app.task(redact=["card.number", "secret"])
    def pay(sum: int, card: object, *, secret: str) -> None: ...

    assert pay.definition.redact == ("card.number", "secret", "1.number", "2")
    with pytest.raises(ConfigError):
        app.task(name="x", redact=[""])(lambda: None)
