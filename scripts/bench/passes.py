"""Each in turn, several times; the medians as a table, the rest in a file."""

import json
from collections.abc import Callable, Sequence
from statistics import median

Passes = dict[str, list[dict[str, float]]]


def in_turn(
    names: Sequence[str], rounds: int, measure: Callable[[str], dict[str, float]], tell: Sequence[str]
) -> Passes:
    """Measure each name in turn, `rounds` times; `tell` are the columns that are printed meanwhile."""
    passes: Passes = {name: [] for name in names}
    for n in range(rounds):
        for name in names:
            one = measure(name)
            passes[name].append(one)
            told = ", ".join(f"{column} {one[column]:,.2f}" for column in tell)
            print(f"  round {n + 1}, {name}: {told}", flush=True)
    return passes


def print_medians(title: str, passes: Passes, out: str | None) -> None:
    """A line for each name, with the columns of the first; into the file `out`, all passes."""
    columns = list(next(iter(passes.values()))[0])
    print(f"\n| {title} | {' | '.join(columns)} |\n{'|---' * (len(columns) + 1)}|")
    for name, found in passes.items():
        known = (median(one[column] for one in found) if column in found[0] else None for column in columns)
        cells = ["–" if value is None else f"{value:,.2f}" for value in known]
        print(f"| {name} | {' | '.join(cells)} |")
    if out:
        with open(out, "w") as file:
            json.dump(passes, file, indent=1)
