"""Adjudication: what accepting a disagreement changes in the labels of the annotator whom it names."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Action, Correction, Finding
from segdata.core.finding_location import Annotation, named_segments
from segdata.core.overlay import ImageSize, count_pixels, difference, intersection, union
from segdata.core.runs import Ints, Runs
from segdata.core.schema import runs_to_rle
from segdata.core.taxonomy import Taxonomy

PROPOSING_CODES = ("SEG401", "SEG402", "SEG403")


def propose_corrections(
    findings: Sequence[Finding], batch: Batch, taxonomy: Taxonomy, countable: frozenset[str]
) -> dict[Finding, Finding]:
    """Findings of an image with what accepting them changes; others, and those without a clear proposal, have none.

    `batch` has the image and everybody's annotations, in the panel's `taxonomy`; `countable`: names of categories whose
    things count one by one. A thing that is missed is added as the other annotator whose segment is shown has it, one
    that is extra is deleted, one of another category renamed. Of what is not counted, the pixels change that more than
    half of the others agree on.
    """
    annotations = {annotation.annotator: annotation for annotation in Annotation.split_batch(batch)}
    ids = {category.name: category.id for category in taxonomy.categories}
    names = {id_: name for name, id_ in ids.items()}
    result = {}
    for finding in findings:
        own, category = annotations.get(finding.annotator), ids.get(finding.category or "")
        others = [annotation for who, annotation in annotations.items() if who != finding.annotator]
        if finding.code not in PROPOSING_CODES or own is None or category is None or not others or not all(own.size):
            continue
        if finding.category in countable:
            correction = _of_thing(finding, own, others, category, names)
        else:
            correction = _of_region(finding, own, others, category)
        if correction is not None:
            result[finding] = replace(finding, correction=correction)
    return result


def _of_thing(
    finding: Finding, own: Annotation, others: Sequence[Annotation], category: int, names: dict[int, str]
) -> Correction | None:
    """What accepting a finding about one thing changes."""
    if finding.code == "SEG402":
        return Correction(action="delete", category=None, size=own.size)
    if finding.code == "SEG401":
        for other in others:
            for row in named_segments(other.batch, finding).tolist():
                pixels = other.pixels_of(np.array([row]))
                if _category_ids(other)[row] == category and _box(pixels, own.size) == finding.bbox:
                    return _correction("add", finding.category, pixels, own.size)
        return None
    mine = named_segments(own.batch, replace(finding, segments=finding.segments[:1]))
    if len(mine) != 1:
        return None
    shown = replace(finding, segments=finding.segments[1:])
    called = {
        int(_category_ids(other)[row])
        for other in others
        for row in named_segments(other.batch, shown).tolist()
        if len(intersection(other.pixels_of(np.array([row])), own.pixels_of(mine), own.size))
    } - {category}
    if len(called) != 1:
        return None
    return Correction(action="rename", category=names[called.pop()], size=own.size)


def _of_region(finding: Finding, own: Annotation, others: Sequence[Annotation], category: int) -> Correction | None:
    """What accepting a finding about a region changes: where more than half of the others agree."""
    size = own.size
    mine, all_mine = _pixels(own, category), _pixels(own, None)
    if finding.code == "SEG402":
        anything = _agreed_pixels([_pixels(other, None) for other in others], size, least=(len(others) + 1) // 2)
        kept = intersection(mine, anything, size)
        if not len(kept):
            return Correction(action="delete", category=None, size=size)
        return _correction("redraw", finding.category, kept, size)
    most = _agreed_pixels([_pixels(other, category) for other in others], size, least=len(others) // 2 + 1)
    missed = difference(most, all_mine, size)
    other = difference(intersection(most, all_mine, size), mine, size)
    pixels = missed if finding.code == "SEG401" else other
    return _correction("add", finding.category, pixels, size) if count_pixels(pixels) else None


def _agreed_pixels(sides: Sequence[Runs], size: ImageSize, least: int) -> Runs:
    """The pixels that at least so many of some annotators have."""
    count = np.zeros((size[1], size[0] + 1), np.int32)  # column by column, as runs are
    for runs in sides:
        column, top = np.divmod(runs.start, size[0])
        np.add.at(count, (column, top), 1)
        np.add.at(count, (column, top + runs.length), -1)
    flags = np.cumsum(count, axis=1) >= least
    flags[:, -1] = False
    edge = np.diff(np.pad(flags, ((0, 0), (1, 0))).astype(np.int8), axis=1)
    column, start = np.nonzero(edge == 1)
    end = np.nonzero(edge == -1)[1]
    return Runs(column * size[0] + start, (end - start).astype(np.int64), np.zeros(len(start), np.int32))


def _pixels(annotation: Annotation, category: int | None) -> Runs:
    """The pixels that an annotation gives a category; None: any."""
    ids = _category_ids(annotation)
    rows = np.arange(len(ids)) if category is None else np.flatnonzero(ids == category)
    return union([annotation.pixels_of(rows)], annotation.size)


def _category_ids(annotation: Annotation) -> Ints:
    return np.asarray(annotation.batch.segments["category_id"].to_numpy(), np.int64)


def _box(pixels: Runs, size: ImageSize) -> tuple[int, int, int, int]:
    x, top = np.divmod(pixels.start, size[0])
    bottom = top + pixels.length
    return int(x.min()), int(top.min()), int(x.max() - x.min()) + 1, int(bottom.max() - top.min())


def _correction(action: Action, category: str | None, pixels: Runs, size: ImageSize) -> Correction:
    one = Runs(pixels.start, pixels.length, np.zeros(len(pixels), np.int32))
    (counts,) = runs_to_rle(one, np.array([size[0]]), np.array([size[1]])).to_pylist()
    return Correction(action=action, category=category, size=size, counts=(counts.decode("ascii"),))
