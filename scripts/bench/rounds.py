"""Systems in turn, several rounds: progress, a table of medians, ratios to another checkout, a JSON file."""

import json
from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles

from systems.tables import System

Figures = dict[str, float]
Rounds = dict[str, list[Figures]]
Ratios = dict[str, float | None]


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """p50, p99 and max."""
    cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else [*values] * 99
    return cuts[49], cuts[98], max(values)


def in_turn(
    systems: Mapping[str, System],
    rounds: int,
    measure: Callable[[str, System], Figures],
    shown: Mapping[str, str],
) -> Rounds:
    """Measure each system in turn, `rounds` times; `shown` are the columns of the progress, with formats.

    Every second round goes backwards, so that a machine that slows down favours no side.
    """
    for system in systems.values():
        system.install()
    found: Rounds = {name: [] for name in systems}
    for n in range(rounds):
        for name in list(systems)[:: -1 if n % 2 else 1]:
            one = measure(name, systems[name])
            found[name].append(one)
            values = ", ".join(form.format(one[column]) for column, form in shown.items())
            print(f"  round {n + 1}, {name}: {values}", flush=True)
    return found


def report(
    title: str,
    found: Rounds,
    out: str | None,
    *,
    against: str | None = None,
    formats: Mapping[str, str] | None = None,
    rate: str | None = None,
) -> None:
    """Print the medians and, with `against`, the ratios to that checkout; write them to the file `out`."""
    _print_medians(title, found, formats or {}, rate)
    ratios = _print_ratios(found, against) if against else None
    if out:
        with open(out, "w") as file:
            json.dump({**found, "ratios": ratios} if ratios else found, file, indent=1)


def _print_medians(title: str, found: Rounds, formats: Mapping[str, str], rate: str | None) -> None:
    """A line for each system, with the columns of the first.

    With `rate`, each line also has the spread of that column, and its ratio to the first system's.
    """
    first = next(iter(found.values()))
    columns = list(first[0])
    heads = [*columns, "spread", "ours / theirs"] if rate else columns
    print(f"\n| {title}{' ' * bool(title)}| {' | '.join(heads)} |\n{'|---' * (len(heads) + 1)}|")
    for name, rows in found.items():
        cells = [_cell(_median(rows, column), formats.get(column)) for column in columns]
        if rate:
            rates = sorted(one[rate] for one in rows)
            ours = median(one[rate] for one in first)
            cells += [f"{rates[0]:,.0f}–{rates[-1]:,.0f}", f"{ours / median(rates):.1f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def _print_ratios(found: Rounds, other: str) -> Ratios:
    """The first system's medians by those of `other`, and the lowest and highest ratio of a round."""
    first, *_ = found
    print(f"\n| {first} / {other} | ratio of medians | of single rounds |\n|---|---|---|")
    ratios: Ratios = {}
    for column in found[first][0]:
        ours, theirs = ([one[column] for one in found[name]] for name in (first, other))
        ratios[column] = _ratio(median(ours), median(theirs))
        pairs = zip(ours, theirs, strict=True)
        single = sorted(value for a, b in pairs if (value := _ratio(a, b)) is not None)
        spread = f"{single[0]:.2f}–{single[-1]:.2f}" if single else "–"
        print(f"| {column} | {_cell(ratios[column])} | {spread} |")
    return ratios


def _median(rows: Sequence[Figures], column: str) -> float | None:
    values = [one[column] for one in rows if column in one]
    return median(values) if values else None


def _cell(value: float | None, form: str | None = None) -> str:
    return "–" if value is None else (form or "{:,.2f}").format(value)


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None
