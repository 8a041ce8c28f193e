"""Planted copies and drifts, and false accusations of both, in simulated campaigns.

    python benchmarks/agreement_campaigns.py DATA [CAMPAIGNS [PART [SET]]]

DATA is the folder with camvid11, gbm40_nuclei and vnc_sstem. As in `benchmarks/agreement_proof.py`, annotators of known
habits draw real segments in pieces of images, and the whole chain judges them. Parts: honest, copies, drift. Sets:
sample_data, gbm40_nuclei, camvid11, vnc_sstem. Limits were chosen on the seeds below 100 of sample_data,
gbm40_nuclei and camvid11; campaigns here have other seeds, and vnc_sstem was never looked at before.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import segdata
from benchmarks.agreement_proof import HAND, Population, populations
from segdata.agreement.inference import exact_interval
from segdata.api.agreement import AgreementResult, agree
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.testing.pictures import PictureDataset
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator

FIRST = 100  # of the seeds
PIECES, DRIFT_PIECES = 24, 60
RESAMPLES = 200
COPIED = (0.3, 0.5, 1.0)
TOUCHED = ErrorRates(misses=0.1, uneven=0.25)  # what a copyist does to the copy
DRIFTS = (("offset", 2.5), ("missed", 0.3))


def sets(folder: Path | None) -> Iterator[Population]:
    """The populations of `agreement_proof`, and thin structures: membranes in sections of nerve tissue."""
    yield from populations(folder)
    if folder is not None:
        from benchmarks.agreement_proof import population

        thin = segdata.read(folder / "vnc_sstem" / "membranes", images=folder / "vnc_sstem" / "raw")
        hand = replace(HAND, misses=0.0, adds=0.0, splits=0.0, merges=0.0)
        yield population("membranes (vnc_sstem)", thin, 128, hand, "offset")


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
    batch = concatenate_batches(pieces)
    names = replace_column(batch.annotations, "annotator", ["c"] * batch.annotations.num_rows)
    return opened(own, replace(batch, annotations=names))


def dated(data: OpenDataset, order: np.ndarray) -> OpenDataset:
    """The same, drawn within six months in this order of the images."""
    batch = whole(data)
    day = np.datetime64("2026-01-05") + (180 * order // len(order)).astype(int)
    created = [f"{day[row]}T10:00:00Z" for row in batch.annotation_image.tolist()]
    return opened(data, replace(batch, annotations=replace_column(batch.annotations, "created", created)))


def drifting(
    truth: OpenDataset, honest: ErrorRates, kind: str, end: float, order: np.ndarray, category: str, seed: int
) -> OpenDataset:
    """Who ends with a habit in a category that grew from nothing."""
    batch, pieces = whole(truth), []
    for k, place in enumerate(order.tolist()):
        by = end * place / (len(order) - 1)
        habit = replace(honest, larger=by) if kind == "offset" else replace(honest, misses=honest.misses + by)
        one = opened(truth, batch.take_images(np.array([k])))
        pieces.append(whole(simulate_annotator(one, SimulatedAnnotator(honest, {category: habit}), seed + k, "c")))
    return opened(truth, concatenate_batches(pieces))


def judged(drawn: dict[str, OpenDataset], seed: int) -> AgreementResult:
    """The campaign as `segdata agreement` sees it."""
    return agree(drawn, resamples=RESAMPLES, seed=seed, jobs=1, select=["SEG414", "SEG415"])


def told(found: AgreementResult, code: str) -> list[str]:
    """The messages of a rule."""
    return [finding.message for finding in found.findings if finding.code == code]


def rate(hits: int, n: int) -> str:
    """A count with its interval per 100."""
    low, high = exact_interval(hits, n)
    return f"{hits} of {n} ({100 * low:.0f} to {100 * high:.0f} %)"


def honest_campaigns(of: Population, n: int) -> None:
    """Nobody copies, and nobody drifts; images are drawn within six months."""
    hits = {"SEG414": 0, "SEG415": 0}
    for seed in range(FIRST, FIRST + n):
        rng = np.random.default_rng([2, seed])
        truth = of.take(rng.choice(len(of), DRIFT_PIECES, replace=False))
        drawn = {}
        for name in "abc":
            work = simulate_annotator(truth, SimulatedAnnotator(of.honest), int(rng.integers(2**40)), name)
            drawn[name] = dated(work, rng.permutation(DRIFT_PIECES))
        found = judged(drawn, seed)
        for code in hits:
            hits[code] += bool(told(found, code))
    print(f"| {of.name} | {rate(hits['SEG414'], n)} | {rate(hits['SEG415'], n)} |", flush=True)


def copied_campaigns(of: Population, n: int) -> None:
    """One of three has another's work in a share of the images, as it is or touched up."""
    for share in COPIED:
        for touched in (False, True):
            hits = false = 0
            for seed in range(FIRST, FIRST + n):
                rng = np.random.default_rng([3, seed])
                truth = of.take(rng.choice(len(of), PIECES, replace=False))
                hand = SimulatedAnnotator(of.honest)
                drawn = {name: simulate_annotator(truth, hand, int(rng.integers(2**40)), name) for name in "abc"}
                source = simulate_annotator(drawn["b"], SimulatedAnnotator(TOUCHED), seed) if touched else drawn["b"]
                drawn["c"] = copyist(drawn["c"], source, share, rng)
                stands = {(work.a, work.b) for work in judged(drawn, seed).identical if work.stands}
                hits += ("b", "c") in stands
                false += bool(stands - {("b", "c")})
            how = "touched up" if touched else "as it is"
            print(f"| {of.name} | {share:.0%} | {how} | {rate(hits, n)} | {false} |", flush=True)


def drift_campaigns(of: Population, n: int) -> None:
    """One of three drifts in one category; commonest categories first."""
    for kind, end in DRIFTS:
        if kind == "missed" and of.honest.misses == 0:
            continue
        hits = false = 0
        for seed in range(FIRST, FIRST + n):
            rng = np.random.default_rng([4, seed])
            truth = of.take(rng.choice(len(of), DRIFT_PIECES, replace=False))
            drawn = {}
            for name in "abc":
                order, number = rng.permutation(DRIFT_PIECES), int(rng.integers(2**40))
                if name == "c":
                    work = drifting(truth, of.honest, kind, end, order, of.common[0], number)
                else:
                    work = simulate_annotator(truth, SimulatedAnnotator(of.honest), number, name)
                drawn[name] = dated(work, order)
            stands = {(drift.annotator, drift.kind) for drift in judged(drawn, seed).drift if drift.stands}
            hits += ("c", kind) in stands
            false += any(who != "c" for who, _ in stands)
        print(f"| {of.name} | {kind}, 0 to {end:g} | {rate(hits, n)} | {false} |", flush=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    part = sys.argv[3] if len(sys.argv) > 3 else ""
    asked = sys.argv[4] if len(sys.argv) > 4 else ""
    for each in sets(folder):
        if asked in each.name:
            for name, run in (("honest", honest_campaigns), ("copies", copied_campaigns), ("drift", drift_campaigns)):
                if part in ("", name):
                    run(each, count)
