"""An annotation never breaks an import: it is evaluated at once, or at first use, or not used."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Generic, NewType, TypeVar

import pytest
from pydantic import BaseModel

from infinitas import BadArgs, Infinitas
from infinitas.core.redaction import with_positions
from infinitas.tasks.arguments import Signature

if TYPE_CHECKING:
    from decimal import Decimal

    import pandas as pd  # type: ignore[import-untyped]

    import infinitas
    from infinitas import Job

T = TypeVar("T")
UserId = NewType("UserId", int)


def round_trip(function: Callable[..., object], *args: object) -> tuple[Any, ...]:
    signature = Signature(function, "t")
    return signature.decode(signature.encode(args, {}))[0]


def frame(x: int) -> pd.DataFrame: ...


def job(job: Job, x: int) -> None: ...


def perhaps_a_job(x: int, job: Job | None = None) -> None: ...


def qualified_job(x: int, job: infinitas.Job) -> None: ...


def annotated_job(x: int, job: Annotated[Job, "the job"]) -> None: ...


def jobs(x: int, jobs: list[Job]) -> None: ...


def money(x: Decimal) -> None: ...


def further_down(x: Later, more: list[Later]) -> Later:
    return x


def test_a_return_type_that_only_the_type_checker_knows(app: Infinitas) -> None:
    task = app.task(frame)
    assert task.signature.read_result('{"a":[1]}') == {"a": [1]}
    assert round_trip(frame, 1) == (1,)


@pytest.mark.parametrize("function", [job, perhaps_a_job, qualified_job, annotated_job])
def test_the_job_is_known_to_the_type_checker_alone(function: Callable[..., object]) -> None:
    signature = Signature(function, "t")
    assert (signature.job_parameters, signature.names) == (("job",), ("x",))


def test_a_list_of_jobs_is_not_the_job() -> None:
    assert Signature(jobs, "t").job_parameters == ()


def test_an_argument_of_a_type_that_only_the_type_checker_knows() -> None:
    assert round_trip(money, 1.5) == (1.5,)
    from decimal import Decimal

    with pytest.raises(BadArgs, match=r"x: JSON has no Decimal.*'Decimal' can't be evaluated.*TYPE_CHECKING"):
        round_trip(money, Decimal(1))


def test_a_class_that_is_defined_further_down() -> None:
    value = Later(date(2026, 1, 1), Later(date(2026, 1, 2)))
    assert round_trip(further_down, value, [value]) == (value, [value])


def test_the_arguments_of_a_schedule_need_no_class_further_down(app: Infinitas) -> None:
    """They are encoded while the module is still imported."""

    @app.task(schedule="0 9 * * *", args=(1,))
    def report(x: int, y: Unknown | None = None) -> None: ...  # type: ignore[name-defined] # noqa: F821

    report.function.__globals__["Unknown"] = Later
    try:
        value = Later(date(2026, 1, 1))
        assert report.signature.decode(report.signature.encode((1, value), {})) == ((1, value), {})
    finally:
        del report.function.__globals__["Unknown"]


def test_local_classes() -> None:
    @dataclass
    class Above:
        x: date

    def process(a: Above, b: list[Above], c: Below) -> Below:
        return Below(x=1)

    signature = Signature(process, "t")

    class Below(BaseModel):
        x: int

    args = Above(date(2026, 1, 1)), [Above(date(2026, 1, 2))], Below(x=1)
    assert signature.decode(signature.encode(args, {})) == (args, {})
    assert signature.read_result(signature.encode_result(Below(x=2))) == Below(x=2)


def compiled(source: str) -> Callable[..., object]:
    names: dict[str, Any] = {"date": date}
    exec(compile(source, "source", "exec", dont_inherit=True), names)
    function: Callable[..., object] = names["process"]
    return function


def test_annotations_that_are_no_types() -> None:
    odd = compiled(
        "from __future__ import annotations\n"
        "def process(a: not_a(type), b: 5, c: print, d: 'no type!', e: date.nothing) -> 1 / 0: ..."
    )
    assert round_trip(odd, 1, "2", [3], {"4": 5}, None) == (1, "2", [3], {"4": 5}, None)
    with pytest.raises(BadArgs, match="e: JSON has no tuple"):
        round_trip(odd, 1, 2, 3, 4, ())


class Foreign:
    """Pydantic has no schema for it."""


def test_a_type_that_pydantic_does_not_know() -> None:
    def process(x: Foreign, y: Foreign | None = None) -> Foreign: ...  # type: ignore[empty-body]

    signature = Signature(process, "t")
    assert signature.decode(signature.encode(({"a": 1},), {})) == (({"a": 1},), {})
    with pytest.raises(BadArgs, match=r"x: JSON has no Foreign. The annotation can't be used"):
        signature.encode((Foreign(),), {})
    assert signature.read_result("5") == 5


def test_attrs_classes_are_sent_as_something_else() -> None:
    attrs = pytest.importorskip("attrs")
    kind = attrs.make_class("Kind", ["a"])

    def process(x: kind) -> None: ...  # type: ignore[valid-type]

    with pytest.raises(BadArgs, match="x: JSON has no Kind"):
        Signature(process, "t").encode((kind(a=1),), {})


def test_generic_functions_and_new_types() -> None:
    def process(x: T, y: list[T], user: UserId) -> T:
        return x

    assert round_trip(process, {"a": 1}, [1], 5) == ({"a": 1}, [1], 5)
    with pytest.raises(BadArgs, match="x: date would arrive as str"):
        round_trip(process, date(2026, 1, 1), [], 5)


class Holder(Generic[T]):
    def method(self, day: date) -> None: ...

    def __call__(self, day: date) -> None: ...

    @staticmethod
    def static(day: date) -> None: ...


def decorated(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return wrapper


def add_day(n: int, day: date, job: Job) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        Holder().method,
        Holder(),
        Holder.static,
        functools.partial(add_day, 1),
        functools.partial(decorated(add_day), 1),
        decorated(Holder().method),
    ],
)
def test_annotations_behind_wrappers(function: Callable[..., object]) -> None:
    assert round_trip(function, date(2026, 1, 1)) == (date(2026, 1, 1),)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax of PEP 695")
def test_type_parameters_and_aliases() -> None:
    process = compiled("""
type Days = list[date]
type Tree = dict[str, Tree] | None
def process[N: (int, date)](days: Days, tree: Tree, n: N, text: "N") -> "Days": return days
""")
    args = ([date(2026, 1, 1)], {"a": {"b": None}}, 5, date(2026, 1, 2))
    assert round_trip(process, *args) == args


def test_paths_to_redact_know_the_positions(app: Infinitas) -> None:
    assert with_positions(("x",), Signature(job, "t").names) == with_positions(("x",), ["x"])


@dataclass
class Later:
    day: date
    next: Later | None = None
