"""Copied annotations: for whom somebody else speaks where votes are counted, from the labels alone.

`segdata.agreement.copying` says what is copied, from a comparison of all outlines. A consensus has no such comparison,
so here segments are the same if all their pixels are.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.comparison import person_name
from segdata.agreement.copying import LEAST_AREA, ComparedSegments, IdenticalWork, judge_couples, second_voice
from segdata.agreement.estimates import Resampling
from segdata.agreement.panel import Panel
from segdata.core.batch import Batch
from segdata.core.executor import run_ordered
from segdata.core.runs import Ints, bounding_boxes

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CopiedAnnotations:
    """Whose annotations are one annotator's work, and what every two annotators have alike."""

    # image_id -> annotator -> who speaks for them; who is not named speaks for themselves
    speaker: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    identical: tuple[IdenticalWork, ...] = ()

    def silent(self, batch: Batch, beside: str | None = None) -> Flags:
        """(n_annotations,) those for whom somebody else speaks; also all of the same work as an annotator `beside`."""
        ids, names = batch.images["image_id"].to_pylist(), batch.annotations["annotator"].to_pylist()
        flags = []
        for image, name in zip(batch.annotation_image.tolist(), names, strict=True):
            speaker = self.speaker.get(ids[image], {})
            one = speaker.get(name, name)
            flags.append(one == speaker.get(beside, beside) if beside is not None and name != beside else one != name)
        return np.array(flags, bool)


def find_copied_annotations(panel: Panel, how: Resampling, jobs: int = 0) -> CopiedAnnotations:
    """What `find_copies` finds of identical segments, without the comparison of outlines: one pass over the labels.

    Of two annotators alone both keep their voice. Segments are compared image by image, slices of volumes, too.
    """
    parts = list(run_ordered(lambda rows: _segment_hashes(panel.load(rows), rows), panel.chunks(), jobs))
    names = sorted({name for part in parts for name in part.names})
    position = {name: k for k, name in enumerate(names)}
    image = np.concatenate([np.zeros(0, np.int64), *(part.image for part in parts)])
    digest = np.concatenate([np.zeros(0, np.uint64), *(part.digest for part in parts)])
    who = [np.array([position[name] for name in part.names], np.int64)[part.annotator] for part in parts]
    annotator = np.concatenate([np.zeros(0, np.int64), *who])
    models = [
        k for k, name in enumerate(names) if {s for part in parts for s in part.sources.get(name, ())} == {"model"}
    ]
    present = np.zeros((len(panel.image_ids), len(names)), bool)
    for part in parts:
        for row, name in part.present:
            present[row, position[name]] = True
    rows = _compare_hashes(image, annotator, digest, present, models)
    couples = judge_couples(rows, panel.case, models, how)
    speaker: dict[str, dict[str, str]] = {}
    results = []
    for couple in couples:
        silent = couple.silent if len(couples) > 1 else couple.silent[:0]
        second = second_voice(couple.who, models, None)
        first = couple.who[0] if second == couple.who[1] else couple.who[1]
        for row in silent.tolist():
            of_image = speaker.setdefault(panel.image_ids[row], {})
            of_image.setdefault(names[second], of_image.get(names[first], names[first]))
        together = int(present[:, list(couple.who)].all(axis=1).sum())
        results.append(couple.result(names, together, np.ones(len(silent), np.int64)))
    return CopiedAnnotations(speaker, tuple(results))


@dataclass(frozen=True, slots=True)
class _SegmentHashes:
    """Of n segments that say something about who drew: the image, the annotator, and a hash of the pixels."""

    names: Sequence[str]
    image: Ints
    annotator: Ints
    digest: NDArray[np.uint64]
    present: Sequence[tuple[int, str]]  # images that each annotated
    sources: Mapping[str, set[str | None]]  # of each annotator's annotations


def _segment_hashes(batch: Batch, rows: Ints) -> _SegmentHashes:
    called = [str(name) for name in batch.annotations["annotator"].to_pylist()]
    names = sorted(set(called))
    height, _ = batch.image_size
    owner = batch.segment_image
    area = batch.runs.areas(batch.n_segments)
    _, _, wide, high = bounding_boxes(batch.runs, height[owner], batch.n_segments)
    further = np.array([person_name(name) != name for name in called], bool)
    telling = (area >= LEAST_AREA) & (area < wide * high) & ~further[batch.segment_annotation]
    kept = np.flatnonzero(telling)
    mixed = _mix(batch.runs.start.astype(np.uint64)) ^ _mix(batch.runs.length.astype(np.uint64) + np.uint64(2**40))
    digest = np.zeros(batch.n_segments, np.uint64)
    np.add.at(digest, batch.runs.owner, _mix(mixed))
    position = {name: k for k, name in enumerate(names)}
    who = np.array([position[name] for name in called], np.int64)[batch.segment_annotation]
    sources: dict[str, set[str | None]] = {}
    for name, source in zip(called, batch.annotations["source"].to_pylist(), strict=True):
        sources.setdefault(name, set()).add(source)
    images = np.asarray(rows)[batch.annotation_image].tolist()
    return _SegmentHashes(
        names, np.asarray(rows)[owner[kept]], who[kept], digest[kept], list(zip(images, called, strict=True)), sources
    )


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(n,) scattered over all 64 bits, as in SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


def _compare_hashes(
    image: Ints, annotator: Ints, digest: NDArray[np.uint64], present: Flags, models: Collection[int]
) -> ComparedSegments:
    """The segments of every two annotators on the images that both annotated; the same in both is one."""
    key = _mix(digest ^ _mix(image.astype(np.uint64)))
    own = [np.unique(key[annotator == k], return_index=True) for k in range(present.shape[1])]
    place = [image[annotator == k][first] for k, (_, first) in enumerate(own)]
    from_models = np.unique(np.concatenate([np.zeros(0, np.uint64), *(own[k][0] for k in models)]))
    couples, cases, hits = [np.zeros((2, 0), np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for a, b in combinations(range(present.shape[1]), 2):
        both = present[:, a] & present[:, b]
        sides = []
        for k in (a, b):
            some = both[place[k]]
            if a not in models and b not in models:
                some &= ~np.isin(own[k][0], from_models)
            sides.append((own[k][0][some], place[k][some]))
        same = np.isin(sides[0][0], sides[1][0])
        alone = ~np.isin(sides[1][0], sides[0][0])
        case = np.append(sides[0][1], sides[1][1][alone])
        couples.append(np.tile(np.array([[a], [b]]), len(case)))
        cases.append(case)
        hits.append(np.append(same, np.zeros(int(alone.sum()), bool)))
    hit = np.concatenate(hits)
    return ComparedSegments(np.concatenate(couples, axis=1), np.concatenate(cases), hit, hit)


NO_COPIES = CopiedAnnotations()
