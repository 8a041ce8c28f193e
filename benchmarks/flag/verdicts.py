"""What could come first in the list of `flag`, by the verdicts of first runs, with each set left out in turn.

    python -m benchmarks.flag.verdicts

Reads docs/results/flag_by_eye: the first 40 findings of each set, as judged, and `sets.csv` (images, how many of them
the model did not know, size of an image, labels, whether these are things). Prints how many findings are right,
debatable and false (a) in the order by P, (b) as listed before 25 November 2026, (c) ranked by a ridge logistic
regression of "right" that has not seen the set, and (d) by the rule in use, chosen once and with each set left out.
Intervals are 95 %, of sets resampled. IoU, contrast and look-alikes of a finding were not kept, so they are not used.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.noise.calibration import fit_logistic

FOLDER = Path(__file__).parents[2] / "docs" / "results" / "flag_by_eye"
FIRST, N_MISSING, PENALTY, WEIGHT = 40, 10, 3.0, 10  # WEIGHT: findings of a kind that a set counts for at most
VERDICTS = ("right", "debatable", "false")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A finding with its verdict, and what is known of it and its set."""

    set: str
    kind: str
    verdict: str
    place: int
    log_odds: float
    at_border: bool
    length: float  # of the longer side of its image
    reason: str  # why it came last before; "": it did not
    unknown: float  # share of the images
    labels: int
    things: bool


def kind_of(code: str, action: str, things: bool) -> str:
    """The kind of a finding, and whether its set has things."""
    name = {"SEG501": "missing", "SEG502": "extra", "SEG503": "category", "SEG505": "merge", "SEG506": "split"}
    said = name.get(code, "shift") if code != "SEG504" else "grow" if action == "add" else "outline"
    return f"{said} {'thing' if things else 'stuff'}"


def judged() -> list[Judged]:
    """The first findings of all first runs."""
    with (FOLDER / "sets.csv").open(newline="") as file:
        facts = {row["set"]: row for row in csv.DictReader(file)}
    result = []
    for name, fact in facts.items():
        things, labels, unknown = fact["things"] == "1", int(fact["labels"]), int(fact["unknown"]) / int(fact["images"])
        across, down = int(fact["width"]), int(fact["height"])
        with (FOLDER / f"{name}.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["score"] and int(row["place"]) <= FIRST]
        for row in rows:
            x, y, width, height = (int(row[side]) for side in ("x", "y", "width", "height"))
            kind, p = kind_of(row["code"], row["action"], things), np.clip(float(row["score"]), 0.001, 0.999)
            at_border = x <= 0 or y <= 0 or x + width >= across - 1 or y + height >= down - 1
            length, is_label = max(width, height) / max(across, down), row["action"] != "add"
            checks = {
                "outline": kind.startswith("outline"), "extra-part": kind == "extra stuff",
                "cut": is_label and things and at_border, "long": not is_label and length > 0.25,
                "absent": name in ("football", "forests") and kind == "missing stuff",
                "few-parts": not things and labels < 1000,
            }  # fmt: skip
            reason = next((word for word, holds in checks.items() if holds), "")
            place, verdict = int(row["place"]), row["verdict"]
            odds = float(np.log(p / (1 - p)))
            result.append(Judged(name, kind, verdict, place, odds, at_border, length, reason, unknown, labels, things))
    return result


def counted(some: Iterable[Judged]) -> str:
    """How many are right, debatable, false; the share of right ones with its interval, and the mean of sets."""
    items = list(some)
    by_set: dict[str, list[bool]] = defaultdict(list)
    for item in items:
        by_set[item.set].append(item.verdict == "right")
    n = np.array([(sum(flags), len(flags)) for flags in by_set.values()]).reshape(-1, 2)
    if not len(n):
        return "none"
    drawn = n[np.random.default_rng(0).integers(0, len(n), (4000, len(n)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    count = Counter(item.verdict for item in items)
    share = f"{n[:, 0].sum() / n[:, 1].sum():.2f} ({low:.2f} to {high:.2f})"
    verdicts = ", ".join(str(count[verdict]) for verdict in VERDICTS)
    return f"{verdicts}; {share}; {len(n)} sets, mean {np.mean(n[:, 0] / n[:, 1]):.2f}"


def learnt_scores(items: Sequence[Judged]) -> Floats:
    """(n,) how probably each is right, learnt from the other sets."""
    kinds, sets = sorted({item.kind for item in items}), np.array([item.set for item in items])
    x = np.array([
        [*(float(item.kind == kind) for kind in kinds), item.log_odds, item.place / FIRST, item.at_border,
         min(item.length, 1.0), item.length > 0.25, np.log10(item.labels), item.unknown, item.things]
        for item in items
    ], float)  # fmt: skip
    is_right, score = np.array([item.verdict == "right" for item in items], np.int64), np.zeros(len(items))
    rng = np.random.default_rng(0)
    for left_out in np.unique(sets):
        taught = np.concatenate([rng.permutation(np.flatnonzero(sets == one))[:WEIGHT]
                                 for one in np.unique(sets) if one != left_out])  # fmt: skip
        mean, spread = x[taught].mean(axis=0), x[taught].std(axis=0) + 1e-9
        model = fit_logistic((x[taught] - mean) / spread, is_right[taught], PENALTY)
        score[sets == left_out] = model.margin((x[sets == left_out] - mean) / spread)
    return score


def first_of_each(items: Sequence[Judged], score: Floats, n: int) -> list[Judged]:
    """The first `n` of each set by a score."""
    result = []
    for name in {item.set for item in items}:
        rows = [row for row, item in enumerate(items) if item.set == name]
        result += [items[row] for row in sorted(rows, key=lambda row: -score[row])[:n]]
    return result


def with_ranks(items: Sequence[Judged]) -> list[tuple[Judged, int]]:
    """The findings that no other reason puts last, with their place among those of their kind in their set."""
    seen: Counter[tuple[str, str]] = Counter()
    result = []
    for item in sorted(items, key=lambda item: item.place):
        if not item.reason:
            seen[item.set, item.kind] += 1
            result.append((item, seen[item.set, item.kind]))
    return result


def learnt_rule(ranked: Sequence[tuple[Judged, int]], least: float) -> Callable[[Judged, int], bool]:
    """The kinds that are right in `least` of the cases in these sets, and the share of unknown images up to which."""
    best: tuple[float, float, set[str]] = (-np.inf, 0.0, set())
    for limit in (0.5, 0.35, 0.2, 0.15, 0.125, 0.08):
        few = [
            item for item, rank in ranked if item.unknown < limit and (rank <= N_MISSING or "missing" not in item.kind)
        ]
        kinds = set()
        for kind in {item.kind for item in few}:
            by_set: dict[str, list[bool]] = defaultdict(list)
            for item in few:
                if item.kind == kind:
                    by_set[item.set].append(item.verdict == "right")
            weights = [min(len(flags), WEIGHT) for flags in by_set.values()]
            share = np.average([np.mean(flags) for flags in by_set.values()], weights=weights)
            if len(by_set) > 1 and sum(map(len, by_set.values())) >= 8 and share >= least:
                kinds.add(kind)
        worth = sum(
            {"right": 1.0, "debatable": -0.5, "false": -1.0}[item.verdict] for item in few if item.kind in kinds
        )
        best = max(best, (worth, limit, kinds), key=lambda found: found[0])
    _, limit, kinds = best
    return lambda item, rank: (
        item.unknown < limit and item.kind in kinds and (rank <= N_MISSING or "missing" not in item.kind)
    )


def main() -> None:
    """Print the tables."""
    items = judged()
    p, learnt = np.array([item.log_odds for item in items]), learnt_scores(items)
    n_left = Counter(item.set for item in items if not item.reason)
    before = [not item.reason and item.unknown <= 0.5 and n_left[item.set] >= 10 for item in items]
    as_listed = np.array([10 * first - item.place / 100 for first, item in zip(before, items, strict=True)])
    for name, score in (("P", p), ("before", as_listed), ("learnt from other sets", learnt)):
        for n in (10, 20, FIRST):
            print(f"first {n} by {name}: {counted(first_of_each(items, score, n))}")
    print(f"first part before: {counted(item for item, first in zip(items, before, strict=True) if first)}")
    for least in (0.5, 0.6, 0.75):
        certain = np.log(least / (1 - least))
        print(f"learnt, at least {least}: {counted(items[row] for row in np.flatnonzero(learnt >= certain))}")
    ranked = with_ranks(items)
    long = [(item, rank) for item, rank in ranked if n_left[item.set] >= N_MISSING]
    in_use = {"missing thing": N_MISSING, "merge thing": FIRST, "category stuff": FIRST}
    for name, some in (("rule in use", long), ("also in lists of fewer than ten", ranked)):
        first = (item for item, rank in some if item.unknown <= 0.5 and rank <= in_use.get(item.kind, 0))
        print(f"{name}: {counted(first)}")
    for least in (0.6, 0.7, 0.75):
        taken = []
        for name in {item.set for item in items}:
            rule = learnt_rule([pair for pair in long if pair[0].set != name], least)
            taken += [item for item, rank in long if item.set == name and rule(item, rank)]
        print(f"rule chosen on the other sets, kinds right in {least} of them: {counted(taken)}")


if __name__ == "__main__":
    main()
