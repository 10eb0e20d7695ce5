"""The toolkit beside stock Schemathesis, over the same planted defects, class by class.

    python -m tests.bench_contracts.run [--only NAME-OR-CLASS] [--every N] [--examples N] [--jobs N]

Schemathesis runs once for each role, as it comes: every check, every phase. It has found a defect where it reports a
failure (a check, of an operation) that the sound server does not give it with the same seed. The toolkit has found one
where it names it rightly, as `contracts selftest` has it.

    python -m tests.bench_contracts.run --speed [--defects N] [--rounds N] [--jobs N]

tells in a few minutes how fast the toolkit is (speed.py).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.pool import AsyncResult, Pool

from contracts import selftest
from contracts.mistakes import Mistake
from tests.bench_contracts import speed
from tests.bench_contracts.stock import CALLERS, NOTHING, Stock

PLACE = "tests.faulty:DEFECTS"
SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(description="The toolkit beside stock Schemathesis, over the planted defects.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a defect or a class; repeatable")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th defect of each class")
    parser.add_argument(
        "--examples", type=int, default=10, metavar="N", help="generated requests an operation and kind"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--speed", action="store_true", help="how fast the toolkit is, and nothing else")
    parser.add_argument("--defects", type=int, default=speed.DEFECTS, metavar="N", help="planted defects for --speed")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="rounds of whole runs for --speed")
    options = parser.parse_args()
    if options.speed:
        return speed.main(options.defects, options.jobs, options.rounds)
    try:
        known = selftest.load(PLACE)
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return 2
    chosen = _chosen(known, options.only, options.every)
    if not chosen:
        print("no such defect or class.", file=sys.stderr)
        return 2
    # A process for each run: what Schemathesis keeps of one must not reach the next.
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        _compare(pool, chosen, options.examples)
    return 0


def _chosen(known: selftest.Catalog, only: Sequence[str], every: int) -> list[selftest.Planted]:
    """Of each class every so-many-th defect of those that are wanted."""
    kinds: dict[str, list[selftest.Planted]] = {}
    for each in known.defects.values():
        if not only or each.name in only or each.kind in only:
            kinds.setdefault(each.kind, []).append(each)
    return [each for alike in kinds.values() for each in alike[:: max(1, every)]]


def stock(name: str, api: str, caller: str, examples: int) -> Stock:
    """A run of Schemathesis against a defect, or against the sound server (no name)."""
    from tests.bench_contracts.stock import against
    from tests.faulty import DEFECTS, sound
    from tests.faulty.planting import Server

    server = next(each for each in DEFECTS if each.name == name).plant() if name else sound(api)
    token = Server(api).app.token(caller)
    with contextlib.redirect_stderr(io.StringIO()):
        return against(server, api, token, seed=SEED, examples=examples)


def _compare(pool: Pool, chosen: Sequence[selftest.Planted], examples: int) -> None:
    apis = dict.fromkeys(each.api for each in chosen)
    sound = {api: [pool.apply_async(stock, ("", api, caller, examples)) for caller in CALLERS[api]] for api in apis}
    theirs, ours = {}, {}
    # Defect by defect, so that something is told long before the end.
    for each in chosen:
        runs = ((each.name, each.api, caller, examples) for caller in CALLERS[each.api])
        theirs[each.name] = [pool.apply_async(stock, run) for run in runs]
        ours[each.name] = pool.apply_async(selftest.against, (PLACE, each.name))
    known = {api: _all(runs).failures for api, runs in sound.items()}
    rows = []
    for number, each in enumerate(chosen, 1):
        mine, other = ours[each.name].get(), _all(theirs[each.name])
        found = sorted(other.failures - known[each.api])
        rows.append(
            (each.kind, bool(mine.right), mine.requests, mine.seconds, bool(found), other.requests, other.seconds)
        )
        said = ", ".join(f"{check} {operation}" for check, operation in found[:2]) or "nothing"
        print(
            f"{number} of {len(chosen)} {each.name}: {'found' if mine.right else 'not found'}; stock: {said}",
            flush=True,
        )
    _table(rows)


def _all(runs: Sequence[AsyncResult[Stock]]) -> Stock:
    whole = NOTHING
    for each in runs:
        whole += each.get()
    return whole


Row = tuple[str, bool, int, float, bool, int, float]


def _table(rows: Sequence[Row]) -> None:
    kinds: Mapping[str, list[Row]] = {
        **{kind: [row for row in rows if row[0] == kind] for kind in dict.fromkeys(row[0] for row in rows)},
        "all": list(rows),
    }
    print(f"\n{'':14}{'':>8}  {'contracts':^26}  {'schemathesis':^26}")
    print(f"{'class':14}{'defects':>8}" + f"  {'found':>6}{'requests':>11}{'seconds':>9}" * 2)
    for kind, mine in kinds.items():
        line = f"{kind:14}{len(mine):>8}"
        for at in (1, 4):
            found, requests, seconds = (sum(float(row[at + place]) for row in mine) for place in range(3))
            line += f"  {found:>6.0f}{requests:>11.0f}{seconds:>9.0f}"
        print(line)


if __name__ == "__main__":
    sys.exit(main())
