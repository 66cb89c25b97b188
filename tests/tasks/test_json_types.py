"""Generated annotations, and generated values of them: there and back through JSON."""

import enum
import typing
from dataclasses import make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, create_model
from typing_extensions import TypedDict

from infinitas import BadArgs
from infinitas.core.difference import difference
from infinitas.tasks.arguments import Signature


class Color(enum.Enum):
    RED = "r"
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Size(enum.StrEnum):
    BIG = "big"
    SMALL = "1"


BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
Typed = tuple[Any, st.SearchStrategy[Any]]
"""An annotation, and values of it."""
ZONES: Any = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=-3, minutes=-30)), ZoneInfo("Europe/Paris")]
)
MODERN = datetime(1980, 1, 1), datetime(2100, 1, 1)
KEYS: list[Typed] = [
    (str, st.text(max_size=8)),
    (int, st.integers()),
    (date, st.dates()),
    (datetime, st.datetimes(*MODERN, timezones=st.sampled_from([None, UTC]))),
    (UUID, st.uuids()),
    (Level, st.sampled_from(Level)),
    (Size, st.sampled_from(Size)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (bytes, st.binary(max_size=8)),
    (timedelta, st.timedeltas()),
    (bool, st.booleans()),
    (time, st.times()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
]
LEAVES: list[Typed] = [
    *KEYS,
    (None, st.none()),
    (Color, st.sampled_from(Color)),
    (datetime, st.datetimes(*MODERN, timezones=ZONES, allow_imaginary=True)),
]


@st.composite
def containers(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    kind = draw(st.sampled_from(["list", "dict", "tuple", "variadic", "optional", "set", "record"]))
    hint, values = draw(inner)
    # Names of variables are no types for a type checker.
    generic: Any = typing
    if kind == "list":
        return generic.List[hint], st.lists(values, max_size=3)
    if kind == "variadic":
        return generic.Tuple[hint, ...], st.lists(values, max_size=3).map(tuple)
    if kind == "optional":
        return generic.Optional[hint], st.none() | values
    key, keys = draw(st.sampled_from(KEYS))
    if kind == "dict":
        return generic.Dict[key, hint], st.dictionaries(keys, values, max_size=3)
    if kind == "set":
        frozen, thawed = (generic.FrozenSet[key], st.frozensets(keys)), (generic.Set[key], st.sets(keys))
        return frozen if draw(st.booleans()) else thawed
    if kind == "tuple":
        return generic.Tuple[hint, key], st.tuples(values, keys)
    return draw(records(hint, values, key, keys))


@st.composite
def records(
    draw: st.DrawFn, hint: Any, values: st.SearchStrategy[Any], key: Any, keys: st.SearchStrategy[Any]
) -> Typed:
    fields = {"first": hint, "second": key}
    made: list[Any] = [
        create_model("Model", __config__=BYTES, first=(hint, ...), second=(key, ...)),
        make_dataclass("Data", fields.items()),
        NamedTuple("Named", list(fields.items())),
        TypedDict("Keyed", fields),  # type: ignore[operator]
    ]
    kind = draw(st.sampled_from(made))
    return kind, st.builds(kind, first=values, second=keys)


TYPES = st.recursive(st.sampled_from(LEAVES), containers, max_leaves=6)


def signature_of(hint: Any) -> Signature:
    def process(x: Any) -> Any: ...

    process.__annotations__ = {"x": hint, "return": hint}
    return Signature(process, "process")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_arguments_and_results_arrive_as_they_were(data: st.DataObject) -> None:
    """Nothing of this grammar is refused."""
    hint, values = data.draw(TYPES)
    signature, value = signature_of(hint), data.draw(values)
    (arrived,), _ = signature.decode(signature.encode((value,), {}))
    assert difference(value, arrived) is None
    result = signature.read_result(signature.encode_result(value))
    assert difference(value, result) is None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_a_union_can_not_distinguish_is_refused(data: st.DataObject) -> None:
    (first, some), (second, others) = data.draw(TYPES), data.draw(TYPES)
    hint = data.draw(st.sampled_from([typing.Union[first, second], Any, list, dict[str, Any], object]))  # noqa: UP007
    value = data.draw(some | others | st.lists(some) | st.dictionaries(st.text(), others))
    signature = signature_of(hint)
    try:
        text = signature.encode((value,), {})
    except BadArgs:
        return
    (arrived,), _ = signature.decode(text)
    # What pydantic makes of the value for the annotation, such as a list of a tuple.
    (wanted,) = TypeAdapter(typing.cast(Any, tuple)[hint], config=BYTES).validate_python((value,))
    assert difference(wanted, arrived) is None
