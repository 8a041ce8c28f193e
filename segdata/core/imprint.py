"""Imprint: a short hash of the labels that a finding or a reviewer speaks of, by which a later change is known."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.evidence import named
from segdata.core.finding import Box, Finding
from segdata.core.pixelsets import within
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs


def imprint(annotation: Annotation, profile: Profile, rows: Ints, box: Box | None = None) -> str:
    """Of the segments `rows` of an annotation, or without any, of all labels within a box; 24 hexadecimal digits.

    It depends on categories (by name) and pixels, never on ids or the order of segments: who renumbers changes
    nothing. Without rows and box it is of the whole annotation.
    """
    batch = annotation.batch
    chosen = rows if len(rows) else np.arange(batch.n_segments)
    runs = batch.runs.take(chosen, batch.n_segments)
    if not len(rows) and box is not None and annotation.size[0]:
        runs = within(runs, box, annotation.size)
    start, length, owner = runs.start, runs.length, runs.owner
    names = [profile.name_of(each) for each in batch.segments["category_id"].to_numpy()[chosen].tolist()]
    told = []
    for row in np.unique(owner).tolist():
        mine = owner == row
        pixels = np.stack([start[mine], length[mine]]).astype("<i8").tobytes()
        told.append(names[row].encode() + b"\0" + pixels)
    if len(rows):  # an empty segment is one, too
        told += [names[row].encode() + b"\0" for row in np.setdiff1d(np.arange(len(rows)), owner).tolist()]
    return blake2b(b"\0\0".join(sorted(told)), digest_size=12).hexdigest()


def imprints(runs: Runs, names: Sequence[str]) -> list[str]:
    """Of each segment of an annotation alone, as `imprint` with its row gives it.

    `runs` are theirs, the owner being the place in `names`, the names of their categories.
    """
    at = runs.offsets(len(names)).tolist()
    pixels = np.stack([runs.start, runs.length]).astype("<i8")
    return [
        blake2b(name.encode() + b"\0" + pixels[:, begin:end].tobytes(), digest_size=12).hexdigest()
        for name, begin, end in zip(names, at, at[1:], strict=False)
    ]


def imprint_of(finding: Finding, annotations: Sequence[Annotation], profile: Profile) -> str:
    """Of the labels that a finding speaks of: the segments that it names, or else what is in its box.

    In a semantic dataset, where a segment is all that an image has of a category, what is in its box before that:
    what changes at the other end of the image is another matter. `annotations` are those of its image. Where it does
    not say whose of several they are, it is of all of these; empty where there is none.
    """
    whose = [each for each in annotations if finding.annotator in (None, each.annotator)]
    if len(whose) > 1:
        each = sorted(imprint_of(finding, [one], profile) for one in whose)
        return blake2b("\0".join(each).encode(), digest_size=12).hexdigest()
    if not whose:
        return ""
    is_local = profile.task == "semantic" and finding.bbox is not None
    rows = np.empty(0, np.int64) if is_local else named(whose[0].batch, finding)
    return imprint(whose[0], profile, rows, finding.bbox)
