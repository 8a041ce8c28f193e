"""How well `flag` ranks errors that it did not learn from, on sets that it was not made on, beside plain baselines.

    python -m benchmarks.flag.drawn_errors DATA WORK SET... [--seeds 1] [--headline | --only-images | --clean]

SET is one of `benchmarks.flag.drawn_sets`, which trains the networks that judge it (WORK/SET/networks). Errors of each
seed are drawn anew by that module's own hand. For every kind of error the ranking is learnt again without what it
injects of that kind. Prints tables for docs/results/flag.md.

`--headline` judges each kind of error by a ranking that learnt nothing of it (leave one error kind out), and by one
that learnt from the other SETs alone, but for those with images of the same source (leave one dataset out).
`--only-images` ranks images over all seeds together; `--clean` counts what is reported of the labels as they are.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.flag.drawn_sets import SOURCES, Drawn, built
from benchmarks.flag.injected_trial import _of_image, _of_pixels
from segdata.core.executor import single_threaded_libraries
from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Flags, Floats, Ints, Runs
from segdata.noise.appearance import read_picture
from segdata.noise.budget import expected_errors
from segdata.noise.calibration import recalibrate
from segdata.noise.corruptions import match_corruptions, training_rates
from segdata.noise.error_types import KINDS, CorruptionKind, Corruptions
from segdata.noise.evaluation import auroc, average_precision
from segdata.noise.networks.predictions import open_predictions
from segdata.noise.predictor import NetworkPredictor
from segdata.noise.ranking import FeatureTable, ImageFeatures, RankedCandidates, image_features, rank_candidates
from segdata.noise.segments import GivenLabels, SegmentSet, runs_of_pixels
from segdata.noise.thresholds import (
    CategoryTrust,
    candidates_above,
    category_trust,
    flag_thresholds,
    judged_candidates,
)

# What is injected to learn from that is of the same kind as an error of `flag_sets`.
LEARNT: dict[str, tuple[CorruptionKind, ...]] = {
    "speck": ("speck",), "sliver": ("sliver",), "core and ring": ("core",), "hole": ("hole",), "split": ("split",),
    "bitten": ("bite", "erode"), "box": ("box",), "few corners": ("coarse",), "loose": ("dilate",),
    "stale": ("shift", "stale"), "copy": ("copy",), "merge": ("merge",), "missing": ("missing",),
    "bare image": ("missing", "bare"),
}  # fmt: skip
EVERY = tuple(sorted({kind for kinds in LEARNT.values() for kind in kinds}))
TOP, TENTH, REPORTED = 40, 0.1, 0.05
DRAWS = 1000  # of the bootstrap


@dataclass
class Page:
    """One image: what is judged, the error that each candidate is about, and the scores of pixels."""

    look: ImageFeatures
    about: tuple[Ints, Ints]
    kinds: Sequence[str]
    pixels: dict[str, Floats]
    loss: float


def truth_of(drawn: Drawn, given: SegmentSet) -> Corruptions:
    """The errors of an image, as candidates are matched with them."""
    nothing, n = np.empty(0, np.int64), len(drawn.errors)

    def runs(sides: Sequence[np.ndarray]) -> Runs:
        pieces = [runs_of_pixels(np.flatnonzero(side.T.ravel()), 0, given.height) for side in sides]
        return Runs.concatenate(pieces, [1] * n)

    kinds: tuple[CorruptionKind, ...] = tuple(error.kind for error in drawn.errors)  # type: ignore[misc]  # other names
    old, new = runs([error.old for error in drawn.errors]), runs([error.new for error in drawn.errors])
    return Corruptions(kinds, np.ones(n), nothing, np.array(drawn.error, np.int64), nothing, old, new)


def pages_of(folder: Path, work: Path, name: str, seed: int | None) -> list[Page]:
    """All images of a set with errors of a seed; None: as they are."""
    data, drawn = built(folder, work, name, seed)
    maps, predictions = data.maps(), open_predictions(work / name / "networks")
    predictor = NetworkPredictor(predictions, frozenset(maps.classes))
    labels = GivenLabels.from_maps(maps, predictions.categories)
    rows = range(len(maps))
    return [page_of(maps, row, labels, predictor, drawn[maps.image_ids[row]], seed or 0) for row in rows]


def page_of(
    maps: LabelMaps, row: int, labels: GivenLabels, predictor: NetworkPredictor, drawn: Drawn, seed: int
) -> Page:
    """The image at a row, with the errors drawn in it."""
    given, seen, rng = labels.image_segments(row), predictor.predict(row), np.random.default_rng([seed, row])
    look = image_features(given, seen, predictor.things, rng, training_rates(), read_picture(maps, row))
    truth = truth_of(drawn, given)
    about = match_corruptions(look.candidates, given, truth, predictor.things)
    return Page(look, about, truth.kinds, _of_pixels(look.candidates, seen), _of_image(given, seen)["loss"])


def without(look: ImageFeatures, kinds: Sequence[str], also_right: bool = False) -> ImageFeatures:
    """An image from which nothing is learnt of some kinds of error, and `also_right`: nothing of correct labels."""
    number = [KINDS.index(kind) for kind in kinds]
    gone = np.append(np.isin(look.kinds, number), False)
    tables = []
    for table in look.corrupted:
        kept = ~gone[table.mistake] & ~(also_right & (table.mistake < 0))  # of -1 the last one
        tables.append(FeatureTable(table.x[kept], table.mistake[kept], table.category[kept]))
    return replace(look, corrupted=(tables[0], tables[1]))


@dataclass
class Trial:
    """A set with errors of a seed, ranked."""

    pages: list[Page]
    ranked: RankedCandidates

    def __post_init__(self) -> None:
        first = np.cumsum([0, *(len(page.kinds) for page in self.pages)])
        self.mistake = np.concatenate(
            [
                np.where(page.about[sort] >= 0, page.about[sort] + begin, -1)
                for sort in (0, 1)
                for page, begin in zip(self.pages, first.tolist(), strict=False)
            ]
        )
        self.kinds = [kind for page in self.pages for kind in page.kinds]
        self.of = np.repeat(np.arange(len(self.pages)), np.diff(first))
        self.wrong = np.diff(first) > 0

    def pixels(self, name: str) -> Floats:
        """(n,) a score of pixels, in the order of the candidates."""
        cut = [np.split(page.pixels[name], [len(page.look.candidates.annotated)]) for page in self.pages]
        return np.concatenate([both[sort] for sort in (0, 1) for both in cut])

    def scores(self) -> dict[str, Floats]:
        """Name -> (n,) scores of candidates, greater is worse."""
        rarity = []
        for page in self.pages:
            log = np.log(np.maximum(page.look.candidates.annotated.areas, 1))
            rarity.append(np.abs(log - np.median(log)) if len(log) else log)
        regions = np.zeros(int((self.ranked.row < 0).sum()))
        at_random = np.random.default_rng(0).random(len(self.mistake))
        return {
            "segdata": self.ranked.odds, "softmin (cleanlab)": self.pixels("softmin"), "pixels": self.pixels("pixels"),
            "area rarity": np.append(np.concatenate(rarity), regions), "random": at_random,
        }  # fmt: skip

    def trust(self) -> list[CategoryTrust]:
        """How reliable the ranking is in the only category."""
        return category_trust(self.ranked, ["", "thing"], flag_thresholds(self.ranked, 2))

    def images(self) -> dict[str, Floats]:
        """Name -> (i,) scores of images, greater is worse."""
        return {
            "segdata": self.ranked.images(judged_candidates(self.ranked, self.trust())),
            "softmin (cleanlab)": 1 - self.ranked.softmin,
            "mean probability": np.array([page.loss for page in self.pages]),
            "random": np.random.default_rng(0).random(len(self.pages)),
        }  # fmt: skip

    def top(self, score: Floats, which: Flags) -> int:
        """How many of the first candidates are about errors, among some candidates."""
        order = np.argsort(-score[which], kind="stable")[:TOP]
        return int((self.mistake[which][order] >= 0).sum())

    def of_kind(self, kind: str | None) -> Flags:
        """(n,) which candidates are about errors of a kind; None: of any."""
        return np.array([number >= 0 and kind in (None, self.kinds[number]) for number in self.mistake], bool)

    def segments(self, score: Floats, which: Flags, kind: str | None = None) -> tuple[float, float, float, float]:
        """AUROC, AP, chance, and recall in the first tenth, of wrong segments (of a kind) among some candidates."""
        chosen = which & (self.ranked.row >= 0)
        wrong = self.of_kind(kind)
        right = self.mistake < 0
        judged = chosen & (wrong | right)
        n = int(np.ceil(TENTH * chosen.sum()))
        top = np.flatnonzero(chosen)[np.argsort(-score[chosen], kind="stable")[:n]]
        hits = wrong & chosen
        figures = auroc(score[judged], wrong[judged])[0], average_precision(score[judged], wrong[judged])[0]
        return float(figures[0]), float(figures[1]), float(hits[judged].mean()), wrong[top].sum() / max(hits.sum(), 1)


def ranked_trial(pages: list[Page], unlearnt: Sequence[str] = ()) -> Trial:
    """All images ranked, with nothing learnt of some kinds."""
    with single_threaded_libraries():
        return Trial(pages, rank_candidates([without(page.look, unlearnt) for page in pages]))


def tables(name: str, pages: list[Page]) -> list[str]:
    """The tables of a set."""
    trial = ranked_trial(pages)
    known = trial.ranked.known_images[trial.ranked.image]
    every = np.ones(len(known), bool)
    lines = [
        f"### {name}: {len(pages)} images, {int((~trial.ranked.known_images).sum())} that the model does not know",
        "",
    ]
    held = {kind: ranked_trial(pages, LEARNT[kind]) for kind in sorted(set(trial.kinds))}
    lines += ["| wrong segments, known images / all | AUROC | AP (chance) | recall in the first 10 % | of the top 40 |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for score_name, score in trial.scores().items():
        both = [trial.segments(score, which) for which in (known, every)]
        top = [trial.top(score, which) for which in (known, every)]
        lines.append(_row(score_name, both, f"{top[0]} / {top[1]}"))
    found = {
        kind: [one.segments(one.ranked.odds, which, kind) for which in (known, every)] for kind, one in held.items()
    }
    good = [kind for kind in found if np.isfinite(found[kind][0][0]) and kind not in ("missing", "bare image")]
    weight = [sum(each == kind for each in trial.kinds) for kind in good]
    lines += ["", "| kind, known images | errors | segdata, not learnt: AUROC, recall | learnt | softmin |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for kind, n in zip(good, weight, strict=True):
        learnt, soft = (trial.segments(score, known, kind) for score in (trial.ranked.odds, trial.pixels("softmin")))
        cells = " | ".join(f"{each[0]:.2f}, {each[3]:.2f}" for each in (found[kind][0], learnt, soft))
        lines.append(f"| {kind} | {n} | {cells} |")
    lines += ["", "| images with errors | AUROC | AP (chance) |", "| --- | --- | --- |"]
    for image_name, score in trial.images().items():
        figures = auroc(score, trial.wrong)[0], average_precision(score, trial.wrong)[0]
        lines.append(f"| {image_name} | {figures[0]:.3f} | {figures[1]:.3f} ({trial.wrong.mean():.3f}) |")
    none = ranked_trial(pages, EVERY)
    return [*lines, "", *COUNTED, counts("as learnt", trial), counts("no kind learnt", none)]


@dataclass(frozen=True)
class Case:
    """One kind of error and one seed: the labels in images that the model knows, as several rankings score them."""

    seed: int
    image: Ints  # (n,)
    wrong: Flags  # (n,) about an error of this kind
    right: Flags  # (n,) about no error; labels with errors of other kinds are neither
    scores: dict[str, Floats]  # name -> (n,), greater is worse

    def figures(self, name: str, weight: Floats) -> Floats:
        """(B, 4) AUROC, AP, AP over chance, and recall in the first tenth; `weight` (B, n): how often each counts."""
        score, judged = self.scores[name], self.wrong | self.right
        area, precision = (
            figure(score[judged], self.wrong[judged], weight[:, judged]) for figure in (auroc, average_precision)
        )
        n_wrong = weight @ self.wrong
        order = np.argsort(-score, kind="stable")
        before = np.cumsum(weight[:, order], axis=1) - weight[:, order]
        n_first = np.ceil(TENTH * weight.sum(axis=1, keepdims=True))
        first = np.clip(n_first - before, 0, weight[:, order]) @ self.wrong[order]
        chance = n_wrong / np.maximum(weight @ judged, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.column_stack([area, precision, precision / chance, first / n_wrong])


def headline(name: str, every: Sequence[list[Page]], others: Sequence[Page]) -> list[str]:
    """Kinds of error in the labels of a set, each withheld from what is learnt, over several seeds.

    Of one kind and all correct labels in images that the model knows; the mean over kinds and seeds, weighted by the
    number of errors, with its 95 % interval. `others`: images of other sets, from which alone a second ranking learns.
    """
    cases, counted = [], []
    for seed, pages in enumerate(every):
        learnt, n = ranked_trial(pages), len(pages)
        known = learnt.ranked.known_images[learnt.ranked.image]
        foreign = foreign_trial(pages, others) if others else None
        for kind in sorted(set(learnt.kinds) - {"missing", "bare image"}):
            one, labels = ranked_trial(pages, LEARNT[kind]), known & (learnt.ranked.row >= 0)
            wrong = one.of_kind(kind)[labels]
            if not wrong.any():
                continue
            scores = {"segdata, kind withheld": one.ranked.odds[labels]}
            if foreign is not None:
                within = foreign.ranked.image < n
                scores["segdata, learnt from other sets"] = foreign.ranked.odds[known_in(labels, within)]
            scores["segdata, every kind learnt"] = learnt.ranked.odds[labels]
            scores |= {each: score[labels] for each, score in one.scores().items() if each != "segdata"}
            cases.append(Case(seed, one.ranked.image[labels], wrong, one.mistake[labels] < 0, scores))
            before = recalibrate(np.empty(0), np.empty(0, bool), base=one.ranked.base_odds)
            errors = expected_errors(before.draws(one.ranked.odds[labels]))
            truth = int((one.mistake[labels] >= 0).sum())
            counted.append((errors.n, truth, errors.low <= truth <= errors.high))
    n_images, n_errors = len(every[0]), sum(int(case.wrong.sum()) for case in cases)
    with_errors = len(np.unique(np.concatenate([case.image[case.wrong] for case in cases])))
    title = f"{name}: {n_errors} errors in {with_errors} images, {len(every)} seeds"
    lines = [f"| {title} | AUROC | AP | times chance | first tenth |", "| --- | ---: | ---: | ---: | ---: |"]
    once = np.ones((1, n_images)), np.ones((1, len(every)))
    drawn = {each: means(cases, each, *resampled(n_images, len(every))) for each in cases[0].scores}
    for each in drawn:
        found, (low, high) = means(cases, each, *once)[0], ends(drawn[each])
        cells = [f"{value:.3f} ({a:.3f} to {b:.3f})" for value, a, b in zip(found, low, high, strict=True)]
        lines.append(f"| {each} | {' | '.join(cells)} |")
    best, *rest = drawn
    for each in rest:
        low, high = ends(drawn[best] - drawn[each])
        cells = [f"{a:.3f} to {b:.3f}" for a, b in zip(low, high, strict=True)]
        lines.append(f"| {best}, less {each} | {' | '.join(cells)} |")
    said, truth, held = np.mean(counted, axis=0)
    total = f"all labels, one kind withheld: sum of P {said:.0f}, wrong {truth:.0f} (means)"
    return [*lines, "", f"{total}; the interval held in {held:.2f} of {len(counted)} cases"]


def resampled(n_images: int, n_seeds: int) -> tuple[Floats, Floats]:
    """(B, n_images) and (B, n_seeds) how often each image and each seed is drawn: all seeds of an image together.

    Errors of one image have its network and its labels in common, whatever the seed, so images are the unit. Both are
    drawn, which is rather too wide than too narrow.
    Source: Owen (2007), "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 386-411.
    """
    rng = np.random.default_rng(0)
    drawn = [rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(float) for n in (n_images, n_seeds)]
    return drawn[0], drawn[1]


def means(cases: Sequence[Case], name: str, images: Floats, seeds: Floats) -> Floats:
    """(B, 4) the figures of a ranking: the mean over cases, weighted by errors; see `resampled`."""
    total, weights = np.zeros((len(images), 4)), np.zeros((len(images), 1))
    for case in cases:
        drawn = images[:, case.image]
        weight = seeds[:, [case.seed]] * (drawn @ case.wrong)[:, None]
        total += np.where(weight > 0, weight * np.nan_to_num(case.figures(name, drawn)), 0)
        weights += weight
    return total / np.maximum(weights, 1e-9)


def ends(drawn: Floats) -> Floats:
    """(2, 4) the ends of 95 % intervals of figures, (B, 4)."""
    return np.asarray(np.percentile(drawn, (2.5, 97.5), axis=0))


def known_in(known: Flags, within: Flags) -> Flags:
    """(n,) which candidates of some images, of more than these, are known; `known` are theirs alone, in their order."""
    result = np.zeros(len(within), bool)
    result[within] = known
    return result


def foreign_trial(pages: list[Page], others: Sequence[Page]) -> Trial:
    """All images ranked, with nothing learnt from `pages`."""
    none = [replace(page, look=without(page.look, KINDS, also_right=True)) for page in pages]
    with single_threaded_libraries():
        return Trial([*pages, *others], rank_candidates([page.look for page in [*none, *others]]))


def _row(name: str, both: Sequence[tuple[float, ...]], top: str) -> str:
    cells = [f"{both[0][0]:.3f} / {both[1][0]:.3f}"]
    cells.append(" / ".join(f"{each[1]:.3f} ({each[2]:.3f})" for each in both))
    cells.append(f"{both[0][3]:.2f} / {both[1][3]:.2f}")
    return f"| {name} | {' | '.join(cells)} | {top} |"


COUNTED = (
    "| | known images | misaligned | reported | about errors | sum of P | expected (95 %) | P above 0.8: n, P, errors "
    "| all in known images: sum of P, errors |",
    "| --- " * 9 + "|",
)


def counts(name: str, trial: Trial) -> str:
    """A row: what is reported, how many errors it is about, and how many P and the interval say."""
    ranked = trial.ranked
    threshold = flag_thresholds(ranked, 2)
    of_category = trial.trust()
    rows = candidates_above(ranked, of_category, threshold)
    rows = rows[: int(np.ceil(REPORTED * (ranked.row >= 0).sum()))]
    wrong, known = trial.mistake >= 0, ranked.known_images[ranked.image]
    before = recalibrate(np.empty(0), np.empty(0, bool), base=ranked.base_odds)
    expected = expected_errors(before.draws(ranked.odds[rows]))
    probability = before.probability(ranked.odds)
    sure = known & (probability > 0.8)
    cells = [
        f"{int(ranked.known_images.sum())} of {len(trial.pages)}",
        str(int(ranked.move.any(axis=1).sum())),
        f"{len(rows)}" + (f" ({of_category[0].reason})" if of_category[0].reason else ""),
        str(int(wrong[rows].sum())),
        f"{probability[rows].sum():.0f}",
        f"{expected.n:.0f} ({math.floor(expected.low)} to {math.ceil(expected.high)})",
        f"{int(sure.sum())}, {probability[sure].mean():.2f}, {wrong[sure].mean():.2f}" if sure.any() else "0",
        f"{probability[known].sum():.0f}, {int(wrong[known].sum())}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def images_table(name: str, trials: Sequence[tuple[Trial, Trial]]) -> list[str]:
    """How well the images of a set are ranked over several seeds; of each as learnt, and without any kind drawn."""
    some = [both for both in trials if 0 < both[0].wrong.sum() < len(both[0].wrong)]
    figures: dict[str, list[tuple[float, float]]] = {}
    for trial, held in some:
        scores = trial.images() | {"segdata, no kind learnt": held.images()["segdata"]}
        for image_name, score in scores.items():
            pair = auroc(score, trial.wrong)[0], average_precision(score, trial.wrong)[0]
            figures.setdefault(image_name, []).append((float(pair[0]), float(pair[1])))
    chance = np.mean([trial.wrong.mean() for trial, _ in some])
    unknown = np.mean([(~trial.ranked.known_images).sum() for trial, _ in some])
    title = f"{name}: {len(some[0][0].pages)} images, {unknown:.0f} not known, {len(some)} seeds"
    lines = [f"| {title} | AUROC (standard deviation) | AP (chance {chance:.3f}) |", "| --- | --- | --- |"]
    for image_name, pairs in figures.items():
        (mean, ap), deviation = np.mean(pairs, axis=0), np.std([pair[0] for pair in pairs])
        lines.append(f"| {image_name} | {mean:.3f} ({deviation:.3f}) | {ap:.3f} |")
    return lines


def main() -> None:
    """Judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+", choices=SOURCES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--headline", action="store_true")
    which.add_argument("--only-images", action="store_true")
    which.add_argument("--clean", action="store_true")
    asked = parser.parse_args()
    for name in asked.sets:
        if asked.clean:
            pages = pages_of(asked.data, asked.work, name, None)
            rows = (
                counts(f"{name}, no errors put in", ranked_trial(pages)),
                counts("no kind learnt", ranked_trial(pages, EVERY)),
            )
            print("\n".join([*COUNTED, *rows, ""]), flush=True)
            continue
        every = ((seed, pages_of(asked.data, asked.work, name, seed)) for seed in asked.seeds)
        if asked.headline:
            sources = {source.name for source in SOURCES[name]}
            apart = [one for one in asked.sets if not sources & {source.name for source in SOURCES[one]}]
            others = [page for one in apart for page in pages_of(asked.data, asked.work, one, asked.seeds[0])]
            lines = headline(name, [pages for _, pages in every], others)
            print("\n".join([*lines, f"other sets: {', '.join(apart)}", ""]), flush=True)
            continue
        if asked.only_images:
            trials = [(ranked_trial(pages), ranked_trial(pages, EVERY)) for _, pages in every]
            print("\n".join([*images_table(name, trials), ""]), flush=True)
            continue
        for seed, pages in every:
            lines = tables(f"{name}, seed {seed}", pages)
            print("\n".join([*lines, ""]), flush=True)


if __name__ == "__main__":
    main()
