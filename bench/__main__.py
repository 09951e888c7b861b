"""Command line of the benchmark: runs it and prints the table, the ratios and whether the aim is met."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from typing import Any

from bench import contenders, measure
from bench.load import Failed, find_wrk

RATE_AIM, P50_AIM = 1.5, 1.0
"""At least so many times the requests per second, at most so many times the p50 of httptrading (b)."""

SAMPLE_QUOTE = {
    "currency": "USD", "isTradable": True, "latest": 189.25, "preClose": 188.5, "openPrice": 188.75,
    "highPrice": 190.5, "lowPrice": 187.25, "timestamp": 1748950200000,
}  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each throughput run; latency runs take half")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    parser.add_argument("--check", action="store_true", help="exit 1 when the aim is not met")
    parser.add_argument("--reference-only", action="store_true", help="measure httptrading alone")
    return parser.parse_args()


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        ours = [] if options.reference_only else [stack.enter_context(contenders.brokerbus())]
        quote = measure.ask(ours[0])["quote"] if ours else SAMPLE_QUOTE
        theirs = stack.enter_context(contenders.httptrading(quote))
        quotes = measure.run([*ours, *theirs], options.rounds, options.seconds, _tell)
        # Orders last: a worker that holds thousands of them follows their lists, which is no part of a quote.
        orders = measure.run([one.placing() for one in ours], options.rounds, options.seconds, _tell)
        names = [one.name for one in ours]
        figures = {**{name: quotes[name] for name in names}, **orders, **quotes}
    seen = {name: found.as_json() for name, found in figures.items()}
    versions = {name: text for contender in (*ours, *theirs) for name, text in contender.versions.items()}
    result = {"contenders": seen, "versions": versions, "cpus": os.cpu_count(), "rounds": options.rounds}
    return {**result, **(_ratios(seen) if ours else {})}


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _ratios(seen: dict[str, Any]) -> dict[str, Any]:
    ours, orders, plain, threaded = seen.values()
    ratios = {case: _ratio(ours, other) for case, other in (("a", plain), ("b", threaded))}
    met = ratios["b"]["requestsPerSecond"] >= RATE_AIM and ratios["b"]["p50Microseconds"] <= P50_AIM
    aim = {"requestsPerSecond": RATE_AIM, "p50": P50_AIM, "met": met}
    return {"ratios": ratios, "orderToQuote": _ratio(orders, ours), "aim": aim}


def _ratio(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    return {key: round(one[key] / other[key], 2) for key in ("requestsPerSecond", "p50Microseconds")}


def _show(result: dict[str, Any]) -> None:
    print(f"{'':28}{'requests/s':>12}{'p50 µs':>10}   CPU µs a request")
    for name, seen in result["contenders"].items():
        cpu = ", ".join(f"{process} {took:.0f}" for process, took in seen["cpuMicrosecondsPerRequest"].items())
        print(f"{name:28}{seen['requestsPerSecond']:12,.0f}{seen['p50Microseconds']:10.0f}   {cpu}")
    for case, ratio in result.get("ratios", {}).items():
        rate, p50 = ratio["requestsPerSecond"], ratio["p50Microseconds"]
        print(f"brokerbus / ({case}): {rate:.2f} × requests/s, {p50:.2f} × p50")
    if "orderToQuote" in result:
        order = result["orderToQuote"]
        rate, p50 = order["requestsPerSecond"], order["p50Microseconds"]
        print(f"a journaled order / a quote of brokerbus: {rate:.2f} × requests/s, {p50:.1f} × p50")
    if "aim" in result:
        met = "met" if result["aim"]["met"] else "NOT met"
        print(f"aim: >= {RATE_AIM} × (b) in requests/s and <= {P50_AIM} × (b) in p50: {met}")
    for name, text in result["versions"].items():
        print(f"{name}: {text}")
    print(f"requests/s and CPU at {measure.MANY} connections, p50 at {measure.ONE}; medians of {result['rounds']} "
          f"rounds; {result['cpus']} CPUs, shared with wrk")  # fmt: skip


def main() -> int:
    options = _options()
    try:
        find_wrk()
        result = _measured(options)
    except Failed as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 2
    print(json.dumps(result, indent=2)) if options.json else _show(result)
    return 1 if options.check and not result.get("aim", {"met": True})["met"] else 0


if __name__ == "__main__":
    sys.exit(main())
