"""What is sent arrives equal, in value and type, or `send` refuses it and names the parameter."""

from __future__ import annotations

import base64
import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    SecretBytes,
    SecretStr,
    computed_field,
)
from typing_extensions import TypedDict, Unpack

from infinitas import BadArgs
from infinitas.core.difference import difference
from infinitas.tasks.arguments import Signature

T = TypeVar("T")
PARIS = ZoneInfo("Europe/Paris")
MOMENT = datetime(2026, 3, 29, 2, 30, 1, 5, tzinfo=UTC)
RAW = b"\xff\xfe\xfb\xef\xbe"


class Color(enum.Enum):
    RED = "r"
    DEEP = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Size(enum.StrEnum):
    BIG = "big"


class Flag(enum.Flag):
    A = 1
    B = 2


class User(BaseModel):
    name: str
    born: date | None = None


class Admin(User):
    level: int = 0


@dataclass
class Point:
    x: int
    y: Decimal = Decimal(0)
    raw: bytes = b""
    cache: Any = field(default=None, compare=False)


@dataclass
class Point3(Point):
    z: int = 0


class Pair(NamedTuple):
    a: int
    b: datetime


class Movie(TypedDict, total=False):
    title: str
    out: date


class Aliased(BaseModel):
    one: int = Field(validation_alias="uno")
    two: int = Field(serialization_alias="dos")
    three: int = Field(alias="tres")
    four: int = Field(default=4, validation_alias=AliasChoices("quatro", "cuatro"))


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.side**2


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    when: datetime
    id: UUID
    pair: tuple[int, int]
    color: Color


class Hidden(BaseModel):
    shown: int
    token: str = Field(default="", exclude=True)
    _cache: object = PrivateAttr(default_factory=object)


class Blob(BaseModel):
    data: bytes


class Account(BaseModel):
    password: SecretStr


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Box(BaseModel, Generic[T]):
    held: T


class Tags(RootModel[set[str]]): ...


class Node(BaseModel):
    children: list[Node] = []


class Options(TypedDict):
    limit: NotRequired[Annotated[int, Field(gt=0)]]
    day: date


ALIASED = Aliased(uno=1, two=2, tres=3, quatro=5)  # type: ignore[call-arg]
Revealed = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value())]


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels - 1):
        found = [found]
    return found


def shown(value: Any) -> str:
    return value[:30] if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)


def taking(hint: Any) -> Signature:
    def take(x: Any) -> None: ...

    take.__annotations__["x"] = hint
    return Signature(take, "take")


def arrived(hint: Any, value: Any) -> Any:
    signature = taking(hint)
    (found,), named = signature.decode(signature.encode((value,), {}))
    assert not named
    return found


ARRIVE: list[tuple[Any, Any]] = [
    (datetime, MOMENT),
    (datetime, datetime(2026, 10, 25, 2, 30)),
    (datetime, datetime(2026, 10, 25, 2, 30, tzinfo=PARIS)),
    (datetime, datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1)),
    (datetime, datetime(2026, 3, 29, 2, 30, tzinfo=PARIS)),
    (date, date(1, 1, 1)),
    (time, time(23, 59, 59, 999999)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (timedelta, timedelta(days=999_999, seconds=86_399, microseconds=999_999)),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("1e-50")),
    (UUID, UUID(int=7)),
    (bytes, b""),
    (bytes, b"ascii"),
    (bytes, RAW),
    (list[bytes], [RAW, b"x"]),
    (dict[bytes, int], {RAW: 1}),
    (Color, Color.RED),
    (Level, Level.LOW),
    (Size, Size.BIG),
    (Flag, Flag.A | Flag.B),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], ()),
    (set[str], {"a", "b"}),
    (frozenset[date], frozenset({date(2026, 1, 1)})),
    (dict[int, str], {1: "a", 2**70: "b"}),
    (dict[date, Decimal], {date(2026, 1, 1): Decimal("0.10")}),
    (dict[Level, int], {Level.LOW: 1}),
    (dict[UUID, list[Size]], {UUID(int=1): [Size.BIG]}),
    (datetime | None, MOMENT),
    (int | datetime, MOMENT),
    (int | str | None, "1"),
    (float | int, 1),
    (float | int, 1.0),
    (Literal["a", 1, True], 1),
    (datetime | str, MOMENT),
    (datetime | str, "soon"),
    (UUID | str, UUID(int=1)),
    (bytes | str, RAW),
    (list[int] | tuple[int, ...] | set[int], [1]),
    (Decimal | float, 1.5),
    (bool | int, 1),
    (User, User(name="Ann", born=date(2000, 2, 29))),
    (list[User | Point], [User(name="a"), Point(1)]),
    (Point, Point(1, Decimal("0.50"), RAW, cache=(1,))),
    (Pair, Pair(1, MOMENT)),
    (Movie, {"title": "x", "out": date(2026, 1, 1)}),
    (Aliased, ALIASED),
    (Computed, Computed(side=3)),
    (Strict, Strict(when=MOMENT, id=UUID(int=1), pair=(1, 2), color=Color.RED)),
    (Hidden, Hidden(shown=1)),
    (Blob, Blob(data=b"text")),
    (Open, Open(a=1, b="more")),  # type: ignore[call-arg]
    (Box[date], Box[date](held=date(2026, 1, 1))),
    (Tags, Tags({"a"})),
    (Node, Node(children=[Node(), Node(children=[Node()])])),
    (Revealed, SecretStr("hunter2")),
    (Annotated[str, AfterValidator(str.lower)], "abc"),
    (Iterable[int], [1, 2]),
    (Any, [1, 2.5, None, {"a": ["b", True]}]),
    (object, {"a": {}}),
    (int, 10**300),
    (str, "NaN \U0001f98a \x00"),
]


@pytest.mark.parametrize(("hint", "value"), ARRIVE, ids=shown)
def test_a_value_arrives_as_it_was_sent(hint: Any, value: Any) -> None:
    assert difference(value, arrived(hint, value)) is None


REFUSED: list[tuple[Any, Any, str]] = [
    (SecretStr, SecretStr("hunter2"), "SecretStr would arrive with another value.*redact="),
    (SecretBytes, SecretBytes(b"hunter2"), "its JSON would be refused by the processor"),
    (Color, Color.DEEP, "its JSON would be refused by the processor"),
    (Literal[Color.RED], Color.RED, "its JSON would be refused by the processor"),
    (Blob, Blob(data=RAW), "ser_json_bytes="),
    (Account, Account(password=SecretStr("hunter2")), r"x\.password: .*redact="),
    (dict[tuple[int, int], int], {(1, 2): 3}, "its JSON would be refused by the processor"),
    (datetime | str, "2026-01-01T00:00:00Z", "str would arrive as datetime"),
    (UUID | str, str(UUID(int=1)), "str would arrive as UUID"),
    (bytes | str, "abcd", "str would arrive as bytes"),
    (str | bytes, RAW, "bytes would arrive as str"),
    (list[int] | tuple[int, ...] | set[int], {1}, "set would arrive as list"),
    (dict[int | str, int], {1: 1, "1": 2}, "x"),
    (Hidden, Hidden(shown=1, token="t"), r"x\.token: str would arrive with another value"),
    (User, Admin(name="root", level=9), "Admin would arrive as User"),
    (list[Point], [Point3(1)], r"x\[0\]: Point3 would arrive as Point"),
    (Annotated[int, AfterValidator(lambda n: n + 1)], 1, "int would arrive with another value"),
    (datetime, datetime(1890, 1, 1, tzinfo=PARIS), "datetime would arrive with another value"),
    (time, time(12, tzinfo=PARIS), "time would arrive with another value"),
    (dict[str, Any], {"when": MOMENT}, r"x\['when'\]: datetime would arrive as str"),
    (list, [(1,)], r"x\[0\]: tuple would arrive as list"),
    (float, float("nan"), "argument 'x' .*NaN, infinities.*use None"),
    (list[float], [float("inf")], "argument 'x'"),
    (Decimal, Decimal("NaN"), "x: "),
    (int, 10**5000, "argument 'x'|x: "),
    (str, "\ud800", "x"),
    (Any, nested(100_000), "x: "),
    (list, nested(100_000), "x: "),
    (Any, nested(200), "argument 'x'"),
    (list[Any], nested(200), "argument 'x'|x: "),
    (Any, {1: "a", "1": "b"}, "dict with a key of type int"),
    (Any, {(1, 2): 3}, "key of type tuple"),
    (Any, {None: 1}, "key of type None"),
    *(
        (hint, value, rf"x: JSON has no {type(value).__name__}.*Annotate the parameter")
        for hint in (Any, object)
        for value in (
            MOMENT,
            UUID(int=1),
            Decimal(1),
            b"ascii",
            Color.RED,
            Level.LOW,
            (1, 2),
            {1},
            Point(1),
            User(name="a"),
            SecretStr("s"),
        )
    ),
    (Any, [{"a": (1,)}], r"x\[0\]\['a'\]: JSON has no tuple"),
]


@pytest.mark.parametrize(("hint", "value", "message"), REFUSED, ids=shown)
def test_what_would_arrive_as_another_value_is_refused(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(BadArgs, match=message) as refused:
        taking(hint).encode((value,), {})
    assert "hunter2" not in str(refused.value)
    assert len(str(refused.value)) < 600


def test_json_from_elsewhere_is_read_by_the_annotations() -> None:
    """As `curl` and other languages write it."""
    plain = base64.b64encode(RAW).decode()
    for text in (plain, plain.replace("+", "-").replace("/", "_"), plain.rstrip("=")):
        assert taking(bytes).decode(f'[["{text}"],{{}}]') == ((RAW,), {})
    assert taking(Aliased).decode('[[],{"x":{"uno":1,"two":2,"tres":3,"cuatro":5}}]') == ((), {"x": ALIASED})
    assert taking(timedelta).decode("[[90],{}]") == ((timedelta(seconds=90),), {})
    assert taking(SecretStr).decode('[["s"],{}]') == ((SecretStr("s"),), {})
    with pytest.raises(BadArgs, match="x: Data should be valid base64"):
        taking(bytes).decode('[["not base64!"],{}]')


def everywhere(a: date, /, b: date, *more: date, c: date = date(1, 1, 1), **named: date) -> tuple[Any, ...]:
    return a, b, more, c, named


def fields(a: int = Field(default=3, gt=2), b: list[date] = Field(default_factory=list)) -> Any:  # noqa: B008
    return a, b


def options(**more: Unpack[Options]) -> Any:
    return more


def untyped(a, when=MOMENT, sizes=(1, 2), *rest, **named):  # type: ignore[no-untyped-def]
    return a, when, sizes, rest, named


DAYS = [date(2026, 1, day) for day in range(1, 8)]


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        (everywhere, DAYS[:2], {}, (*DAYS[:2], (), date(1, 1, 1), {})),
        (
            everywhere,
            DAYS[:5],
            {"c": DAYS[5], "z": DAYS[6]},
            (*DAYS[:2], tuple(DAYS[2:5]), DAYS[5], {"z": DAYS[6]}),
        ),
        (everywhere, DAYS[:1], {"b": DAYS[1], "a": DAYS[2]}, (*DAYS[:2], (), date(1, 1, 1), {"a": DAYS[2]})),
        (fields, (), {}, (3, [])),
        (fields, (5,), {"b": DAYS}, (5, DAYS)),
        (options, (), {"limit": 3, "day": DAYS[0]}, {"limit": 3, "day": DAYS[0]}),
        (options, (), {"day": DAYS[0]}, {"day": DAYS[0]}),
        (untyped, (1,), {}, (1, MOMENT, (1, 2), (), {})),
        (untyped, (1, "x", [2], 3), {"k": None}, (1, "x", [2], (3,), {"k": None})),
    ],
)
def test_every_kind_of_parameter(
    function: Callable[..., Any], args: Any, kwargs: dict[str, Any], expected: Any
) -> None:
    signature = Signature(function, "t")
    given, named = signature.decode(signature.encode(args, kwargs))
    assert function(*given, **named) == expected


def test_a_default_is_not_sent() -> None:
    """The worker applies its own, which needs no JSON form."""
    assert Signature(untyped, "t").encode((1,), {}) == "[[1],{}]"


def test_a_default_with_constraints_is_checked() -> None:
    with pytest.raises(BadArgs, match="a: Input should be greater than 2"):
        Signature(fields, "t").encode((1,), {})


@pytest.mark.parametrize("kwargs", [{}, {"limit": 0, "day": DAYS[0]}, {"day": "?"}, {"day": DAYS[0], "x": 1}])
def test_keywords_of_a_typed_dict_are_checked(kwargs: dict[str, Any]) -> None:
    with pytest.raises(BadArgs, match=r"(limit|day|x): "):
        Signature(options, "t").encode((), kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "a: Missing"),
        ((1, 2), {"a": 1}, "a: "),
        ((DAYS[0], DAYS[1], "no day"), {}, r"more\.0: "),
        ((DAYS[0], DAYS[1]), {"c": "no day"}, "c: "),
        ((DAYS[0], DAYS[1]), {"z": "no day"}, "z: "),
        (("?", "??"), {}, r"a: .*; b: "),
        (5, {}, "int"),
        ((), {1: 2}, "."),
    ],
)
def test_faults_name_the_parameter(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(BadArgs, match=message):
        Signature(everywhere, "t").encode(args, kwargs)
