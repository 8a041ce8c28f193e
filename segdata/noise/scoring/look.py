"""Look: what is remembered of one image that was looked at, as given and with mistakes made on purpose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segdata.core.runs import Ints
from segdata.noise.evidence.alignment import Alignment, alignment
from segdata.noise.evidence.candidates import Candidates, candidates
from segdata.noise.evidence.drawn import Drawn, Flags, Floats
from segdata.noise.evidence.evidence import Evidence
from segdata.noise.evidence.features import drawn_features, region_features
from segdata.noise.evidence.pixelwise import agreement, softmin
from segdata.noise.mistakes.injection import Rates, labels, lesson, spoiled
from segdata.noise.systematic.confusions import believed
from segdata.noise.types import KINDS

SEVERITIES = 0.25, 1.5  # of the mistakes of an image
ENOUGH, COPIES = 60, 6  # candidates wanted of an image to learn from, and how often it is spoiled at most


@dataclass(frozen=True, slots=True)
class Table:
    """Candidates of one sort in one image, as numbers.

    Attributes
    ----------
    x : (n, F) features
    mistake : (n,) the injected mistake that each is about, -1: none
    category : (n,) as given, or as seen where nothing was given
    """

    x: Floats
    mistake: Ints
    category: Ints


@dataclass(frozen=True, slots=True)
class Look:
    """All that is remembered of one image: features, never pixels of the evidence.

    Attributes
    ----------
    found : the candidates
    given, spoilt : the features of annotated candidates and of regions, as given and with injected mistakes
    kinds : (e,) of the injected mistakes, rows of `KINDS`
    shared, either : (K,) pixels where a category was given and is seen, and where it was or is
    softmin : how good the labels of the image look, from 0 to 1, see `softmin`
    names : of the features, of annotated candidates and of regions
    believed : the category that the model sees in each annotated candidate
    alignment : where all labels of the image would fit best
    """

    found: Candidates
    given: tuple[Table, Table]
    spoilt: tuple[Table, Table]
    kinds: Ints
    shared: Ints
    either: Ints
    softmin: float
    names: tuple[tuple[str, ...], tuple[str, ...]]
    believed: Ints
    alignment: Alignment


def look(given: Drawn, evidence: Evidence, things: Flags, rng: np.random.Generator, rates: Rates | None = None) -> Look:
    """The candidates of an image and their features, as given and with mistakes made on purpose (`rates`).

    Mistakes of one image are more severe than those of another. An image with few candidates is spoiled several times,
    so that there is something to learn from.
    """
    found = candidates(given, evidence, things)
    none = np.full(len(found.drawn), -1), np.full(len(found.regions), -1)
    names, tables = _tables(found, given, evidence, none)
    kinds: list[int] = []
    copies: list[tuple[Table, Table]] = []
    for _ in range(min(max(ENOUGH // max(len(found.drawn), 1), 1), COPIES)):
        usual = lesson() if rates is None else rates
        worse = float(np.exp(rng.uniform(*np.log(SEVERITIES))))
        new, truth = spoiled(given, things, replace(usual, severity=worse * usual.severity), rng)
        again = candidates(new, evidence, things)
        of = labels(again, new, truth, things)
        before = len(kinds)
        copies.append(_tables(again, new, evidence, (numbered_after(of[0], before), numbered_after(of[1], before)))[1])
        kinds += [KINDS.index(each) for each in truth.kinds]
    spoilt = _together([copy[0] for copy in copies]), _together([copy[1] for copy in copies])
    known = np.array(kinds, np.int64)
    seen = believed(found.drawn, evidence)
    shared, either = agreement(given, evidence)
    soft, fits = softmin(given, evidence), alignment(given, evidence)
    return Look(found, tables, spoilt, known, shared, either, soft, names, seen, fits)


def numbered_after(mistake: Ints, before: int) -> Ints:
    """(n,) numbers of mistakes, -1: none, where some come before them."""
    return np.where(mistake >= 0, mistake + before, -1)


def _together(tables: Sequence[Table]) -> Table:
    return Table(*(np.concatenate([getattr(each, name) for each in tables]) for name in ("x", "mistake", "category")))


def _tables(
    found: Candidates, given: Drawn, evidence: Evidence, mistake: tuple[Ints, Ints]
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], tuple[Table, Table]]:
    drawn, x = drawn_features(found, given, evidence)
    regions, r = region_features(found, given, evidence)
    seen = np.where(found.regions.category > 0, found.regions.category, found.label)
    return (drawn, regions), (Table(x, mistake[0], found.drawn.category), Table(r, mistake[1], seen))
