"""How well `segdata flag` ranks known label errors, beside scores of pixels and of images on the same probabilities.

    python -m benchmarks.flag.injected_errors DATA WORK SET... [--rate 0.05] [--seeds 3 4 5] [--learnt KIND...]
        [--made KIND...] [--severity 1.0] [--network 0.05:0]

Errors of each seed are put into the labels, and judged by networks that `benchmarks.flag.injected_sets` trained (those
of WORK, made where they are not there). `--learnt` are the kinds of error that the classifier learns from, `--made`
those that are put in. Prints tables for docs/results/flag.md. Intervals are 95 %, of images drawn anew, which all seeds
share.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.flag.injected_sets import CHOSEN, opened, predicted, rates
from benchmarks.flag.injected_trial import Trial, corrected, seeded
from segdata.core.resampling import bootstrap_interval
from segdata.core.runs import Flags, Floats
from segdata.noise.budget import expected_errors
from segdata.noise.calibration import recalibrate
from segdata.noise.corruptions import LEARNED_KINDS
from segdata.noise.error_types import KINDS, TYPES
from segdata.noise.evaluation import auroc, average_precision, precision_at

BUDGET = 0.1
TOLD = 0.05  # of the annotated labels, as `segdata flag` does by default
Metric = Callable[[Floats, Flags, Floats | None], Floats]


def main() -> None:
    """Judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+", choices=CHOSEN)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--learnt", nargs="+", choices=KINDS, default=LEARNED_KINDS)
    parser.add_argument("--made", nargs="+", choices=KINDS, default=LEARNED_KINDS)
    parser.add_argument("--severity", type=float, default=1.0)
    parser.add_argument("--network", default="0.05:0", help="rate and seed of the errors that networks learnt with")
    asked = parser.parse_args()
    for name in asked.sets:
        trials = tried(asked, name)
        print(f"\n## {name}, rate {asked.rate:g}, {len(trials)} seeds, networks {asked.network}")
        print("\n".join([*of_segments(trials), *of_types(trials), *of_images(trials), *of_counts(trials)]), flush=True)


def tried(asked: argparse.Namespace, name: str) -> list[Trial]:
    """One trial for each seed; one alone where the errors are real."""
    rate, seed = asked.network.split(":")
    with opened(asked.data, name) as data:
        found = predicted(data, name, float(rate), int(seed), asked.work / f"{name}_{rate}_{seed}")
        if CHOSEN[name].corrected:
            with opened(asked.data, name, corrected=True) as better:
                return [corrected(data, better, found, CHOSEN[name].untold)]
        made = replace(rates(asked.rate), kinds=tuple(asked.made), severity=asked.severity)
        return [seeded(data, found, asked.rate, seed, asked.learnt, made) for seed in asked.seeds]


def of_segments(trials: Sequence[Trial]) -> list[str]:
    """Rows of a table: how well candidates are ranked by each score."""
    n = np.mean([[len(each.types), len(each.mistake), (each.mistake >= 0).sum()] for each in trials], axis=0)
    proposed = np.mean([np.isin(np.arange(len(each.types)), each.mistake).mean() for each in trials])
    lines = [
        f"{n[0]:.0f} errors, {n[1]:.0f} candidates ({n[2]:.0f} about errors), {proposed:.3f} of the errors proposed",
        "| score | AUROC | AP | P@20 | P@50 | recall at 10 % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in trials[0].scores():
        lines.append(f"| {name} | {' | '.join(_segments(trials, [each.scores()[name] for each in trials]))} |")
    lines.append(f"| told the noise | {' | '.join(_segments(trials, [each.attainable() for each in trials]))} |")
    gain = _interval(trials, lambda at, w: _ap(trials[at], "segdata", w) - _ap(trials[at], "pixels", w))
    return [*lines, f"AP above that of pixels: {gain}"]


def _segments(trials: Sequence[Trial], scores: Sequence[Floats]) -> list[str]:
    ranked = [each.ranked(score) for each, score in zip(trials, scores, strict=True)]
    told = [each.of_type(None) for each in ranked]
    cells = []
    for metric in (auroc, average_precision):
        cells.append(_interval(trials, lambda at, w, f=metric: f(told[at][0], told[at][1], w[:, told[at][2]])))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    cells += [f"{np.mean([precision_at(score, wrong, k) for score, wrong, _ in told]):.2f}" for k in (20, 50)]
    hits = [each.found_at(BUDGET).astype(float) for each in ranked]
    return [*cells, _interval(trials, lambda at, w: _share(hits[at], w[:, trials[at].of]))]


def _share(hit: Floats, weight: Floats) -> Floats:
    return np.asarray((hit * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300))


def _ap(trial: Trial, name: str, weight: Floats) -> Floats:
    score, wrong, image = trial.ranked(trial.scores()[name]).of_type(None)
    return average_precision(score, wrong, weight[:, image])


def _gain_of(trials: Sequence[Trial], name: str, at: int, weight: Floats) -> Floats:
    return _gain(trials[at], name, weight)


def _interval(trials: Sequence[Trial], figure: Callable[[int, Floats], Floats], n_draws: int = 500) -> str:
    """The mean over the trials, and its interval."""
    n = len(trials[0].wrong)
    width = max(len(each.mistake) for each in trials)

    def mean(weight: Floats) -> Floats:
        return np.asarray(np.mean([figure(at, weight) for at in range(len(trials))], axis=0))

    found = bootstrap_interval(mean, n, 0, n_draws=n_draws, width=width)
    return f"{float(found.value):.3f} [{float(found.low):.3f}, {float(found.high):.3f}]"


def of_types(trials: Sequence[Trial]) -> list[str]:
    """Rows of a table: how well errors of each type are ranked by each score, in that order, against all that is right.

    Mean over the trials that have errors of the type.
    """
    names = list(trials[0].scores())
    ranked = [{name: trial.ranked(score) for name, score in trial.scores().items()} for trial in trials]
    lines = [
        f"by {' / '.join(names)}:",
        "| type | errors | AUROC | AP | recall at 10 % |",
        "| --- | --- | --- | --- | --- |",
    ]
    for type_ in ("real", *TYPES):
        mine = [np.array(trial.types) == type_ for trial in trials]
        have = [at for at, each in enumerate(mine) if each.any()]
        if not have:
            continue
        cells = []
        for metric in (auroc, average_precision):
            told = {name: [ranked[at][name].of_type(type_) for at in have] for name in names}
            cells.append([np.mean([metric(score, wrong)[0] for score, wrong, _ in told[name]]) for name in names])
        cells.append([np.mean([ranked[at][name].found_at(BUDGET)[mine[at]].mean() for at in have]) for name in names])
        figures = " | ".join(" / ".join(f"{value:.2f}" for value in each) for each in cells)
        lines.append(f"| {type_} | {sum(each.sum() for each in mine)} | {figures} |")
    return lines


def of_images(trials: Sequence[Trial]) -> list[str]:
    """Rows of a table: how well images are ranked by each score, and what segdata gains on softmin."""
    share = np.mean([each.wrong.mean() for each in trials])
    lines = [f"images with errors: {share:.3f}", "| score | AUROC | AP | P@10 | AP above softmin |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name in trials[0].images:
        cells = [
            _interval(trials, lambda at, w, f=f, name=name: f(trials[at].images[name], trials[at].wrong, w))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            for f in (auroc, average_precision)
        ]
        cells.append(f"{np.mean([precision_at(each.images[name], each.wrong, 10) for each in trials]):.2f}")
        gain = partial(_gain_of, trials, name)
        cells.append("" if name == "softmin" else _interval(trials, gain))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _gain(trial: Trial, name: str, weight: Floats) -> Floats:
    mine, theirs = (average_precision(trial.images[each], trial.wrong, weight) for each in (name, "softmin"))
    return mine - theirs


def of_counts(trials: Sequence[Trial]) -> list[str]:
    """Rows of a table: how many labels are wrong, and how many are expected to be before anybody has looked."""
    lines = [
        f"| told ({TOLD:.0%}) | wrong | expected | all | wrong | expected |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for trial in trials:
        odds, wrong = trial.result.odds, trial.mistake >= 0
        draws = recalibrate(odds[:0], wrong[:0], base=trial.result.base_odds).draws(odds)
        n = round(TOLD * int((trial.result.row >= 0).sum()))
        cells = []
        for rows in (np.argsort(-odds, kind="stable")[:n], np.arange(len(odds))):
            found = expected_errors(draws[:, rows])
            cells += [len(rows), int(wrong[rows].sum()), f"{found.n:.0f} ({found.low:.0f} to {found.high:.0f})"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


if __name__ == "__main__":
    main()
