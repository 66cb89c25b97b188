"""The fault suite: real processes and servers, faults by a seed, a check against an independent oracle."""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripts.chaos.faults import FAULTS
from scripts.chaos.run import Result, run


def main() -> int:
    """Exit code 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides faults and load; default: 1")
    parser.add_argument("--runs", type=int, default=1, help="with seeds that follow; default: 1")
    parser.add_argument("--seconds", type=float, default=60, help="of faults in a run; default: 60")
    parser.add_argument("--mean", type=float, default=2, help="seconds between faults; default: 2")
    parser.add_argument("--rate", type=float, default=20, help="sends a second; default: 20")
    parser.add_argument("--only", metavar="FAULT,…", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--everysec", action="store_true", help="Redis may lose what it has confirmed")
    parser.add_argument("--out", type=Path, help="file for the report as JSON")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(FAULTS)
    if unknown := set(names) - set(FAULTS):
        parser.error(f"unknown faults: {', '.join(sorted(unknown))}")
    results = []
    for seed in range(args.seed, args.seed + args.runs):
        results.append(run(seed, args.seconds, args.mean, names, args.rate, everysec=args.everysec))
        _print(results[-1])
        if args.out:
            args.out.write_text(json.dumps([asdict(each) for each in results], indent=1))
    violated = sum(bool(each.violations) for each in results)
    faults = sum(len(each.plan) for each in results)
    print(f"{len(results)} runs, {faults} faults, {violated} runs with violations")
    return 1 if violated else 0


def _print(result: Result) -> None:
    counts = Counter(each.name for each in result.plan)
    print(f"seed {result.seed}: {result.seconds:g} s, {len(result.plan)} faults")
    print("  " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    for name, value in result.facts.items():
        if name != "log":
            print(f"  {name}: {value}")
    for each in result.violations:
        print(f"  VIOLATED {each.invariant}: {each.text} ({each.count})")
        for case in each.cases:
            print(f"    {case}")
    print("  no violation" if not result.violations else "", flush=True)


if __name__ == "__main__":
    sys.exit(main())
