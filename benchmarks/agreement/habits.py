"""Habits that are planted, and accusations of annotators who have none, in simulated campaigns.

    python -m benchmarks.agreement.habits DATA [CAMPAIGNS [PART [SET [FIRST [PIECES]]]]]

DATA is the folder with camvid11, gbm40_nuclei and vnc_sstem. As in `benchmarks/agreement/intervals.py`, annotators of
known habits draw real segments in pieces of images, and the whole chain judges them, from pixels to findings. Parts:
honest, and the habits of `HABITS`; `planted` are all of these. Sets: sample_data, gbm40_nuclei, camvid11, vnc_sstem.
FIRST is the first seed: limits were chosen on seeds below 100; campaigns have seeds from 1000 on unless you say
otherwise. PIECES: how many images a campaign has, 60 unless you say otherwise.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import segdata
from benchmarks.agreement.intervals import HAND, Population, population, populations
from segdata.agreement.inference import exact_interval
from segdata.api.agreement import AgreementResult, agree
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.testing.pictures import PictureDataset
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator

FIRST = 1000  # of the seeds
PIECES = 60
NAMES = "abcd"  # c has the habit
RESAMPLES = 200
CODES = {"SEG406": "habit", "SEG409": "unsteady", "SEG413": "mirrored", "SEG414": "copies", "SEG415": "drift"}
TOUCHED = ErrorRates(misses=0.1, uneven=0.25)  # what a copyist does to the copy
CONFUSED = 0.3  # of a category, called the next one


def sets(folder: Path | None) -> Iterator[Population]:
    """The populations of `agreement_proof`, and thin structures: membranes in sections of nerve tissue."""
    yield from populations(folder)
    if folder is not None:
        thin = segdata.read(folder / "vnc_sstem" / "membranes", images=folder / "vnc_sstem" / "raw")
        hand = replace(HAND, misses=0.0, adds=0.0, splits=0.0, merges=0.0)
        yield population("membranes (vnc_sstem)", thin, 128, hand, "offset", "missed")


def opened(like: OpenDataset, batch: Batch) -> OpenDataset:
    """A batch as a dataset."""
    return OpenDataset(PictureDataset(like.profile, batch), like.profile, Config())


def whole(data: OpenDataset) -> Batch:
    """All images of a dataset."""
    return concatenate_batches(list(data.batches(1)))


def copyist(own: OpenDataset, other: OpenDataset, share: float, rng: np.random.Generator) -> OpenDataset:
    """Own work, but for a share of the images, which are the other's."""
    mine, theirs = whole(own), whole(other)
    taken = rng.random(mine.images.num_rows) < share
    pieces = [(theirs if taken[k] else mine).take_images(np.array([k])) for k in range(len(taken))]
    return opened(own, concatenate_batches(pieces))


def named(data: OpenDataset, name: str, order: np.ndarray) -> OpenDataset:
    """The same by an annotator, drawn within six months in this order of the images."""
    batch = whole(data)
    day = np.datetime64("2026-01-05") + (180 * order // len(order)).astype(int)
    created = [f"{day[row]}T10:00:00Z" for row in batch.annotation_image.tolist()]
    annotations = replace_column(batch.annotations, "annotator", [name] * batch.annotations.num_rows)
    return opened(data, replace(batch, annotations=replace_column(annotations, "created", created)))


def drifting(
    truth: OpenDataset, honest: ErrorRates, kind: str, end: float, order: np.ndarray, category: str, seed: int
) -> OpenDataset:
    """Who ends with a habit in a category that grew from nothing."""
    batch, pieces = whole(truth), []
    for k, place in enumerate(order.tolist()):
        by = end * place / (len(order) - 1)
        habit = replace(honest, larger=by) if kind == "offset" else replace(honest, misses=honest.misses + by)
        one = opened(truth, batch.take_images(np.array([k])))
        pieces.append(whole(simulate_annotator(one, SimulatedAnnotator(honest, {category: habit}), seed + k)))
    return opened(truth, concatenate_batches(pieces))


@dataclass
class Campaign:
    """What there is to draw, and what annotators without habits draw of it."""

    population: Population
    seed: int
    everywhere: bool = False  # all pieces have the category of the habit
    size: int = PIECES

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([5, self.seed])
        common = self.population.common
        self.category = common[self.seed % len(common)]
        pieces = self.population.with_category(self.category) if self.everywhere else np.arange(len(self.population))
        self.truth = self.population.take(self.rng.choice(pieces, self.size, replace=len(pieces) < self.size))
        self.order = {name: self.rng.permutation(self.size) for name in NAMES}
        self.work = {name: self.draw(SimulatedAnnotator(self.population.honest)) for name in NAMES}

    @property
    def images_with_category(self) -> int:
        """How many images have the category of the habit."""
        batch = whole(self.truth)
        ids = [each.id for each in self.truth.taxonomy.categories if each.name == self.category]
        return len(np.unique(batch.segment_image[np.isin(batch.segments["category_id"].to_numpy(), ids)]))

    def draw(self, hand: SimulatedAnnotator) -> OpenDataset:
        """What one draws."""
        return simulate_annotator(self.truth, hand, int(self.rng.integers(2**40)))

    def with_habit(self, habit: ErrorRates) -> OpenDataset:
        """What one draws who has a habit in one category."""
        return self.draw(SimulatedAnnotator(self.population.honest, {self.category: habit}))

    def judged(self, again: bool = False) -> AgreementResult:
        """The campaign as `segdata agreement` sees it; `again`: a labels everything a second time."""
        drawn = [(name, named(work, name, self.order[name])) for name, work in self.work.items()]
        if again:
            second = self.draw(SimulatedAnnotator(self.population.honest))
            drawn.append(("a", named(second, "a", self.order["a"])))
        return agree(drawn, resamples=RESAMPLES, seed=self.seed, jobs=1, select=list(CODES))


def accused(found: AgreementResult) -> set[tuple[str, str]]:
    """Who is named by which rule; two annotators with the same work as one, ``b and c``."""
    kinds: dict[str, str] = {"SEG406": "", "SEG415": "drift of "}
    return {
        (str(finding.annotator), kinds.get(finding.code, CODES[finding.code]) + habit_of(finding.message, finding.code))
        for finding in found.findings
        if finding.code in CODES
    }


def habit_of(message: str, code: str) -> str:
    """The kind of a finding SEG406 or SEG415, from its words."""
    if code not in ("SEG406", "SEG415"):
        return ""
    words = {"miss": "missed", "add": "extra", "label": "confused", "draw": "offset"}
    return next(kind for word, kind in words.items() if f" {word}" in message)


def rate(hits: int, n: int) -> str:
    """A count with its interval per 100."""
    low, high = exact_interval(hits, n)
    return f"{hits} of {n} ({100 * low:.0f} to {100 * high:.0f} %)"


def honest_campaigns(of: Population, seeds: range, size: int) -> None:
    """All annotators are alike; one labels everything twice, and images are drawn within six months."""
    hits = Counter[str]()
    for seed in seeds:
        codes = {finding.code for finding in Campaign(of, seed, size=size).judged(again=True).findings}
        hits.update(codes)
        hits["any"] += bool(codes & CODES.keys())
    cells = " | ".join(rate(hits[code], len(seeds)) for code in ("any", *CODES))
    print(f"| {of.name} | {cells} |", flush=True)


def _habit(kind: str) -> "Plant":
    def drawn(campaign: Campaign) -> OpenDataset | None:
        of = campaign.population
        return campaign.with_habit(of.planted[kind](of.honest)) if kind in of.planted else None

    return drawn


def _confused(campaign: Campaign) -> OpenDataset | None:
    common = campaign.population.common
    if len(common) < 2:
        return None
    other = common[(common.index(campaign.category) + 1) % len(common)]
    return campaign.with_habit(replace(campaign.population.honest, calls={other: CONFUSED}))


def _copied(campaign: Campaign) -> OpenDataset:
    return copyist(campaign.work["c"], campaign.work["b"], 0.5, campaign.rng)


def _touched_up(campaign: Campaign) -> OpenDataset:
    source = simulate_annotator(campaign.work["b"], SimulatedAnnotator(TOUCHED), campaign.seed)
    return copyist(campaign.work["c"], source, 0.5, campaign.rng)


def _drift(kind: str, end: float) -> "Plant":
    def drawn(campaign: Campaign) -> OpenDataset | None:
        if kind not in campaign.population.planted:
            return None
        order, number = campaign.order["c"], int(campaign.rng.integers(2**40))
        honest = campaign.population.honest
        return drifting(campaign.truth, honest, kind, end, order, campaign.category, number)

    return drawn


Plant = Callable[[Campaign], OpenDataset | None]  # None: such data has no such habit
# What is planted -> how it is drawn, and the kind of the finding that it is; of copies no annotator is the one
HABITS: dict[str, tuple[Plant, str]] = {
    "offset, 2 px": (_habit("offset"), "offset"),
    "missed, 25 points": (_habit("missed"), "missed"),
    "extra, 35 points": (_habit("extra"), "extra"),
    "confused, 30 points": (_confused, "confused"),
    "copy of half the images": (_copied, "copies"),
    "touched-up copy of half the images": (_touched_up, "copies"),
    "drift of the offset, 0 to 2.5 px, in all images": (_drift("offset", 2.5), "drift of offset"),
    "drift of the offset, 0 to 2.5 px": (_drift("offset", 2.5), "drift of offset"),
    "drift of misses, 0 to 30 points, in all images": (_drift("missed", 0.3), "drift of missed"),
}
EVERYWHERE = "in all images"  # the category is in all of them, else where it happens to be


def planted_campaigns(of: Population, habit: str, seeds: range, size: int) -> None:
    """How often c's habit is found, how often c is named for something else as well, and how often somebody else is."""
    plant, kind = HABITS[habit]
    found = beside = false = n = 0
    images = []
    for seed in seeds:
        campaign = Campaign(of, seed, habit.endswith(EVERYWHERE), size)
        work = plant(campaign)
        if work is None:
            return
        campaign.work["c"] = work
        result = campaign.judged()
        told = accused(result)
        if kind == "copies":
            told = {item for item in told if item[1] != "copies"}
            stands = {(work.a, work.b) for work in result.identical if work.stands}
            found += ("b", "c") in stands
            false += bool(stands - {("b", "c")}) or any(who not in ("b", "c") for who, _ in told)
        else:
            found += ("c", kind) in told
            false += any(who != "c" for who, _ in told)
        own = {item for item in told if item[0] == "c"}
        images.append(campaign.images_with_category)
        beside += bool(own - {("c", kind), ("c", kind.removeprefix("drift of "))})
        n += 1
    of_category = f"{min(images)} to {max(images)} of {size}, half of them {np.median(images):.0f} or more"
    print(f"| {of.name} | {habit} | {of_category} | {rate(found, n)} | {beside} | {rate(false, n)} |", flush=True)


def main() -> None:
    """Run the parts that are asked for."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    given = dict(enumerate(sys.argv))
    count, part, asked, first = int(given.get(2, 20)), given.get(3, ""), given.get(4, ""), int(given.get(5, FIRST))
    size = int(given.get(6, PIECES))
    seeds = range(first, first + count)
    for each in sets(folder):
        if asked not in each.name:
            continue
        if part in ("", "honest"):
            honest_campaigns(each, seeds, size)
        for habit in HABITS:
            if part in ("", "planted") or (part != "honest" and habit.startswith(part)):
                planted_campaigns(each, habit, seeds, size)


if __name__ == "__main__":
    main()
