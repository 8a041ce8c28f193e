"""Fixing: what rules found, mended in a new revision of a canonical dataset."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch, replaced
from segdata.core.counted import counted
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.core.evidence import evidence
from segdata.core.finding import Finding
from segdata.core.mended import Mended, MendedImage
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.fixes.fix import fixes
from segdata.formats.shared.images import image_limits
from segdata.store.revise import revise
from segdata.store.write import segment_rows


def mend(data: Dataset, findings: Iterable[Finding], *, unsafe: bool = False) -> Iterator[MendedImage]:
    """The images in which a fix changes something, in ascending order; nothing is written.

    `findings` are those of a validation of `data`; of these the ones with a safe fix are mended, with `unsafe` all that
    have one. Images of volumes are left out: what is found in three dimensions cannot be mended in one slice.
    """
    wanted = {"safe", "unsafe"} if unsafe else {"safe"}
    concerned: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.fix in wanted and finding.image is not None and finding.code in fixes():
            concerned.setdefault(finding.image, []).append(finding)
    volumes = volumes_of(data.profile)
    rows = {image_id: row for row, image_id in enumerate(data.source.image_ids)}
    for image_id in sorted(concerned.keys() & rows.keys()):
        with image_limits():
            batch = data.source.load(np.array([rows[image_id]]))
        if batch.images["sequence"][0].as_py() in volumes:
            continue
        after, mended = _mended(batch, concerned[image_id], data)
        if mended:
            yield MendedImage(image_id, batch, after, tuple(mended))


def fix(
    data: Dataset,
    findings: Iterable[Finding],
    *,
    unsafe: bool = False,
    seen: Callable[[MendedImage], None] = lambda image: None,
) -> str | None:
    """Mend what can be mended in a new revision of a canonical dataset; returns its name, None where nothing changed.

    `seen` is called with every image that changes. Raises SegdataError for a dataset of another format, and where
    another revision was made since `data` was opened.
    """
    root = root_of(data)
    changed: dict[str, pa.Table] = {}
    log: list[dict[str, Any]] = []  # Any: JSON
    codes: dict[str, int] = {}
    for image in mend(data, findings, unsafe=unsafe):
        changed[image.image_id] = segment_rows(image.after)
        for each in image.mended:
            log.append(asdict(each.finding) | {"changed_pixels": each.pixels})
            codes[each.finding.code] = codes.get(each.finding.code, 0) + 1
        seen(image)
    if not changed:
        return None
    what = ", ".join(f"{code} x{count}" for code, count in sorted(codes.items()))
    return revise(root, changed, f"fixed {what} in {counted(len(changed), 'image')}", log, data.profile.revision)


def volumes_of(profile: Profile) -> set[str]:
    """The sequences whose images are left to people: what is found in three dimensions no fix mends in one slice."""
    return {each.name for each in profile.sequences if each.kind == "volume"}


def root_of(data: Dataset) -> Path:
    """The folder of a canonical dataset; raises SegdataError for any other, which no revision can be made of."""
    root = Path(data.profile.files)
    if data.profile.format != "canonical" or not root.is_dir():
        raise SegdataError(
            f"{data.profile.files}: fixes make a new revision of a canonical dataset, this is {data.profile.format}; "
            "convert it first: segdata convert DATA OUT"
        )
    return root


def _mended(batch: Batch, findings: Sequence[Finding], data: Dataset) -> tuple[Batch, list[Mended]]:
    """One image with its findings mended, annotation by annotation."""
    pieces, mended = [], []
    for annotation in Annotation.each(batch):
        mine = [each for each in findings if each.annotator in (None, annotation.annotator)]
        after, done = mended_in(annotation, mine, data.profile)
        pieces.append(after)
        mended += done
    return joined(batch, pieces), mended


def mended_in(annotation: Annotation, findings: Sequence[Finding], profile: Profile) -> tuple[Batch, list[Mended]]:
    """One annotation with the findings about it mended, and what was, in the order of the fixes."""
    current, mended = annotation, []
    for code, mender in fixes().items():
        those = [finding for finding in findings if finding.code == code]
        found = [evidence(current, finding) for finding in those]
        if those:
            mended += [Mended(*each) for each in zip(those, (int(one.runs.length.sum()) for one in found), strict=True)]
            current = Annotation(mender(current, found, profile))
    return current.batch, mended


def joined(batch: Batch, pieces: Sequence[Batch]) -> Batch:
    """The annotations of one image, each by itself, as its batch again."""
    segments = [
        replaced(piece.segments, "annotation", np.full(piece.n_segments, row, np.int32))
        for row, piece in enumerate(pieces)
    ]
    if not segments:
        return batch
    return replace(
        batch,
        segments=pa.concat_tables(segments).combine_chunks(),
        runs=Runs.concatenate([piece.runs for piece in pieces], [piece.n_segments for piece in pieces]),
    )
