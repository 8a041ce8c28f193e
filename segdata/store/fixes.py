"""Fixes: the fix of each fixable rule, and the new revision with all fixes applied."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import (
    Batch,
    clear_declared,
    concatenate_batches,
    replace_column,
    replace_runs,
)
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.executor import no_progress
from segdata.core.finding import Finding
from segdata.core.finding_location import Annotation, FindingLocation, locate_finding
from segdata.core.overlay import first_identical
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints, Runs, expand_ranges, mask_to_runs, runs_to_mask
from segdata.core.validation import FixedFinding, FixedImage
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits
from segdata.store.revision_writer import segment_rows
from segdata.store.revisions import canonical_root, revise

FixFunction = Callable[[Annotation, Sequence[FindingLocation], Profile], Batch]
# By rule code. Fixes are applied in the order of registration: invalid segments are removed first, gaps filled last.
FIXES: dict[str, FixFunction] = {}


def register_fix(code: str) -> Callable[[FixFunction], FixFunction]:
    """Register the fix of a rule: a function of an annotation, its findings and the profile, to the fixed annotation.

    The rule's own decorator says whether the fix is safe (`fix=`).
    """

    def register(function: FixFunction) -> FixFunction:
        FIXES[code] = function
        return function

    return register


def named_segments(findings: Sequence[FindingLocation]) -> Ints:
    """The distinct rows (m,) of the segments that findings name, in ascending order."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *(finding.segments for finding in findings)]))


def segment_mask(batch: Batch, row: int, size: tuple[int, ...]) -> Flags:
    """The pixels of one segment, (height, width)."""
    return runs_to_mask(batch.runs.take(np.array([row]), batch.n_segments), *size)


def replace_pixels(batch: Batch, pictures: dict[int, Flags]) -> Batch:
    """The batch with new pixels (height, width) for some segments, by row."""
    rows = sorted(pictures)
    pieces = [mask_to_runs(pictures[row]) for row in rows]
    return replace_runs(batch, np.array(rows, np.int64), Runs.concatenate(pieces, [1] * len(rows))) if rows else batch


def finding_masks(annotation: Annotation, evidence: Sequence[FindingLocation]) -> dict[int, Flags]:
    """Row of a segment -> the pixels that its findings concern."""
    masks: dict[int, Flags] = {}
    for finding in evidence:
        if len(finding.segments) == 1 and len(finding.runs):
            row, pixels = int(finding.segments[0]), runs_to_mask(finding.runs, *annotation.size)
            masks[row] = masks[row] | pixels if row in masks else pixels
    return masks


def assign_to_nearest(annotation: Annotation, pixels: Flags, profile: Profile) -> Batch:
    """Assign `pixels` of an annotation to the surrounding segments, from the border inwards.

    A pixel goes to a segment that owns one of its four neighbours, so that parts stay connected. Void and crowds get
    only pixels that no other segment reaches; unreachable pixels stay unchanged.
    """
    batch, size = annotation.batch, annotation.size
    solid = _solid(annotation, profile)
    owner = _flood(_owners(batch, solid, np.full(size, _NOBODY), pixels))
    if (owner == _WAITING).any():
        rest = owner == _WAITING
        owner = _flood(_owners(batch, np.setdiff1d(np.arange(batch.n_segments), solid), owner, rest))
    rows = np.unique(owner[pixels])
    grown = {row: segment_mask(batch, row, size) | (pixels & (owner == row)) for row in rows[rows >= 0].tolist()}
    return replace_pixels(batch, grown)


_NOBODY, _WAITING = -2, -1


def _owners(batch: Batch, rows: Ints, owner: Ints, waiting: Flags) -> Ints:
    """The owner of each pixel among these segments, and of the pixels to be assigned."""
    owners, runs = owner.copy(), batch.runs.take(rows, batch.n_segments)
    x, y = np.divmod(expand_ranges(runs.start, runs.length), owner.shape[0])
    owners[y, x] = np.repeat(rows[runs.owner], runs.length)
    owners[waiting] = _WAITING
    return owners


def _flood(owner: Ints) -> Ints:
    """Assign waiting pixels of owners (height, width) to a neighbour's owner, ring by ring."""
    wide = owner.shape[1] + 2
    flat = np.pad(owner, 1, constant_values=_NOBODY).ravel()
    steps = (-1, 1, -wide, wide)
    waiting = np.flatnonzero(flat == _WAITING)
    front = np.unique(np.concatenate([waiting + step for step in steps])) if len(waiting) else waiting
    front = front[flat[front] >= 0]
    while len(front):
        reached = []
        for step in steps:
            to = front + step
            free = flat[to] == _WAITING
            flat[to[free]] = flat[front[free]]
            reached.append(to[free])
        front = np.concatenate(reached)
    return flat.reshape(-1, wide)[1:-1, 1:-1]


def _solid(annotation: Annotation, profile: Profile) -> Ints:
    """The rows of the segments that may gain pixels."""
    batch = annotation.batch
    void = np.isin(batch.segment_category, profile.taxonomy.void_ids)
    crowd = batch.segment_is_crowd
    return np.flatnonzero(~void & ~crowd)


@register_fix("SEG006")
@register_fix("SEG105")
def empty_segment(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Drop the named segments."""
    batch, rows = annotation.batch, named_segments(findings)
    empty = rows[batch.runs.areas(batch.n_segments)[rows] == 0]
    return batch.take_segments(np.setdiff1d(np.arange(batch.n_segments), empty))


@register_fix("SEG104")
def duplicate_segment(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Drop the named segments that repeat an earlier one."""
    batch = annotation.batch
    twin = first_identical(batch.runs, batch.segment_annotation, batch.runs.areas(batch.n_segments))
    keys = batch.segments.select(["category_id", "iscrowd", "track_id"]).to_pylist()
    again = [row for row in named_segments(findings).tolist() if twin[row] != row and keys[row] == keys[int(twin[row])]]
    return batch.take_segments(np.setdiff1d(np.arange(batch.n_segments), again))


@register_fix("SEG013")
def stale_measure(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Drop the declared area and box of the segments, so that they are computed from the pixels."""
    return replace(annotation.batch, segments=clear_declared(annotation.batch.segments, named_segments(findings)))


@register_fix("SEG018")
def filled_hole(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Cut out rings that lie within another ring of their polygon, and drop the polygon."""
    batch, size = annotation.batch, annotation.size
    masks = {}
    for row in named_segments(findings).tolist():
        rings = _ring_masks(annotation, row)
        holes = [ring for ring in rings if _is_within(ring, rings)]
        if holes:
            masks[row] = segment_mask(batch, row, size) & ~np.logical_or.reduce(holes)
    return replace_pixels(batch, masks)


def _ring_masks(annotation: Annotation, row: int) -> list[Flags]:
    """The pixels of each ring of a segment's polygon, by COCO's rule."""
    masks, (height, width) = [], annotation.size
    for ring in annotation.rings(np.array([row])):
        ends, owners = np.array([0, ring.size]), np.array([0, 1])
        runs = Runs(*kernels.rasterise(ring.ravel(), ends, owners, np.array([height]), np.array([width])))
        masks.append(runs_to_mask(runs, height, width))
    return masks


def _is_within(ring: Flags, rings: list[Flags]) -> bool:
    """Whether the pixels of a ring are a proper subset of another ring's."""
    return any(other.sum() > ring.sum() and not (ring & ~other).any() for other in rings)


@register_fix("SEG115")
def out_of_frame(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Drop the polygons; the pixels within the frame stay, and writers can trace polygons again."""
    rows = named_segments(findings)
    return replace(annotation.batch, segments=clear_declared(annotation.batch.segments, rows, "rings"))


@register_fix("SEG106")
def speck(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Erase the parts that the findings name."""
    stray = finding_masks(annotation, findings)
    size = annotation.size
    erased = replace_pixels(
        annotation.batch, {row: segment_mask(annotation.batch, row, size) & ~pixels for row, pixels in stray.items()}
    )
    if not stray or not profile.is_exhaustive:
        return erased
    left = Annotation(erased)
    bare = np.logical_or.reduce(list(stray.values())) & runs_to_mask(left.unlabelled_pixels(), *size)
    return assign_to_nearest(left, bare, profile)


@register_fix("SEG107")
def pinhole(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Fill the named holes."""
    batch, holes = annotation.batch, finding_masks(annotation, findings)
    return replace_pixels(
        batch, {row: segment_mask(batch, row, annotation.size) | pixels for row, pixels in holes.items()}
    )


@register_fix("SEG111")
def hairline(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Erase lines of a segment, assign unlabelled slivers to what is beside, and slivers of overlap to the smallest."""
    lines = [finding for finding in findings if len(finding.segments)]
    annotation = Annotation(speck(annotation, lines, profile)) if lines else annotation
    batch, size = annotation.batch, annotation.size
    slivers = [runs_to_mask(finding.runs, *size) for finding in findings if not len(finding.segments)]
    bare = runs_to_mask(annotation.unlabelled_pixels(), *size)
    twice = [pixels for pixels in slivers if (pixels & ~bare).any()]
    if twice:
        batch = replace_pixels(batch, _claimed_once(batch, np.logical_or.reduce(twice)))
    gaps = [pixels for pixels in slivers if not (pixels & ~bare).any()]
    return assign_to_nearest(Annotation(batch), np.logical_or.reduce(gaps), profile) if gaps else batch


def _claimed_once(batch: Batch, pixels: Flags) -> dict[int, Flags]:
    """Row -> remaining pixels, for segments that lose some of `pixels` to a smaller one."""
    free, shrunk = pixels.copy(), {}
    for row in np.argsort(batch.runs.areas(batch.n_segments), kind="stable").tolist():
        own = segment_mask(batch, row, pixels.shape)
        if (own & pixels & ~free).any():
            shrunk[row] = own & ~(pixels & ~free)
        free &= ~own
    return shrunk


@register_fix("SEG101")
def gap(annotation: Annotation, findings: Sequence[FindingLocation], profile: Profile) -> Batch:
    """Assign every unlabelled pixel to the nearest segment that is neither void nor a crowd."""
    return assign_to_nearest(annotation, runs_to_mask(annotation.unlabelled_pixels(), *annotation.size), profile)


def fixed_images(data: OpenDataset, findings: Iterable[Finding], *, unsafe: bool = False) -> Iterator[FixedImage]:
    """Yield the images that fixes change, in ascending order, without writing anything.

    `findings` are those of a validation of `data`; safe fixes are applied, with `unsafe` all fixes. Skips images of
    volumes, as findings in three dimensions cannot be fixed in one slice. Raises SegdataError for a finding that stands
    for many, since only single findings can be fixed.
    """
    kinds = {"safe", "unsafe"} if unsafe else {"safe"}
    concerned: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.fix in kinds and finding.count > 1:
            raise SegdataError(f"{finding.code} stands for {finding.count:,} findings; fix the single ones")
        if finding.fix in kinds and finding.image is not None and finding.code in FIXES:
            concerned.setdefault(finding.image, []).append(finding)
    volumes = volume_names(data.profile)
    rows = {image_id: row for row, image_id in enumerate(data.source.image_ids)}
    for image_id in sorted(concerned.keys() & rows.keys()):
        with image_limits():
            batch = data.source.load(np.array([rows[image_id]]))
        if batch.images["sequence"][0].as_py() in volumes:
            continue
        after, mended = _fix_image(batch, concerned[image_id], data)
        if mended:
            yield FixedImage(image_id, batch, after, tuple(mended))


def fixed_dataset(data: OpenDataset, images: Iterable[FixedImage]) -> OpenDataset:
    """The dataset with these images replaced by their fixed versions."""
    after = {image.image_id: image.after for image in images}

    def alter(batch: Batch) -> Batch:
        names = batch.images["image_id"].to_pylist()
        if after.keys().isdisjoint(names):
            return batch
        pieces = [after.get(name) or batch.take_images(np.array([row])) for row, name in enumerate(names)]
        return concatenate_batches(pieces)

    return replace(data, source=AlteredSource(data.source, alter))


def change_log(images: Iterable[FixedImage]) -> list[dict[str, Any]]:  # Any: JSON
    """The log of fixes, with an entry for each finding."""
    return [asdict(fixed.finding) | {"changed_pixels": fixed.pixels} for image in images for fixed in image.mended]


def write_fixes(
    data: OpenDataset,
    findings: Iterable[Finding],
    *,
    unsafe: bool = False,
    seen: Callable[[FixedImage], None] = no_progress,
) -> str | None:
    """Apply fixes in a new revision of a canonical dataset; returns its name, or None if nothing changed.

    Calls `seen` with every changed image. Raises SegdataError for a dataset of another format, and if another revision
    was made since `data` was opened.
    """
    root = canonical_root(data)
    changed: dict[str, pa.Table] = {}
    log: list[dict[str, Any]] = []  # Any: JSON
    codes: dict[str, int] = {}
    for image in fixed_images(data, findings, unsafe=unsafe):
        changed[image.image_id] = segment_rows(image.after)
        for fixed in image.mended:
            log.append(asdict(fixed.finding) | {"changed_pixels": fixed.pixels})
            codes[fixed.finding.code] = codes.get(fixed.finding.code, 0) + 1
        seen(image)
    if not changed:
        return None
    counts = ", ".join(f"{code} x{count}" for code, count in sorted(codes.items()))
    return revise(root, changed, f"fixed {counts} in {count_noun(len(changed), 'image')}", log, data.profile.revision)


def volume_names(profile: Profile) -> set[str]:
    """The names of volumes, whose findings are in three dimensions and cannot be fixed slice by slice."""
    return {sequence.name for sequence in profile.sequences if sequence.kind == "volume"}


def _fix_image(batch: Batch, findings: Sequence[Finding], data: OpenDataset) -> tuple[Batch, list[FixedFinding]]:
    """Fix the findings of one image, annotation by annotation."""
    pieces, mended = [], []
    for annotation in Annotation.split_batch(batch):
        own_findings = [finding for finding in findings if finding.annotator in (None, annotation.annotator)]
        after, done = fix_annotation(annotation, own_findings, data.profile)
        pieces.append(after)
        mended += done
    return join_annotations(batch, pieces), mended


def fix_annotation(
    annotation: Annotation, findings: Sequence[Finding], profile: Profile
) -> tuple[Batch, list[FixedFinding]]:
    """Fix the findings of one annotation: the fixed annotation, and the fixed findings in the order of fixes."""
    current, mended = annotation, []
    for code, mender in FIXES.items():
        own = [finding for finding in findings if finding.code == code]
        located = [locate_finding(current, finding) for finding in own]
        if own:
            mended += [
                FixedFinding(*pair)
                for pair in zip(own, (int(location.runs.length.sum()) for location in located), strict=True)
            ]
            current = Annotation(mender(current, located, profile))
    return current.batch, mended


def join_annotations(batch: Batch, pieces: Sequence[Batch]) -> Batch:
    """Join single annotations of one image into its batch."""
    segments = [
        replace_column(piece.segments, "annotation", np.full(piece.n_segments, row, np.int32))
        for row, piece in enumerate(pieces)
    ]
    if not segments:
        return batch
    return replace(
        batch,
        segments=pa.concat_tables(segments).combine_chunks(),
        runs=Runs.concatenate([piece.runs for piece in pieces], [piece.n_segments for piece in pieces]),
    )
