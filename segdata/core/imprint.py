"""Imprint: a short hash of the labels that a finding or a reviewer speaks of, by which a later change is known."""

from hashlib import blake2b

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.finding import Box
from segdata.core.profile import Profile
from segdata.core.runs import Ints


def imprint(annotation: Annotation, profile: Profile, rows: Ints, box: Box | None = None) -> str:
    """Of the segments `rows` of an annotation, or without any, of all labels within a box; 24 hexadecimal digits.

    It depends on categories (by name) and pixels, never on ids or the order of segments: who renumbers changes
    nothing. Without rows and box it is of the whole annotation.
    """
    batch = annotation.batch
    height = annotation.size[0]
    chosen = rows if len(rows) else np.arange(batch.n_segments)
    runs = batch.runs.take(chosen, batch.n_segments)
    start, length, owner = runs.start, runs.length, runs.owner
    if not len(rows) and box is not None and height:
        x, y, wide, high = box
        column, top = np.divmod(start, height)
        bottom = np.minimum(top + length, y + high)
        top = np.maximum(top, y)
        kept = (column >= x) & (column < x + wide) & (top < bottom)
        start, length, owner = (column * height + top)[kept], (bottom - top)[kept], owner[kept]
    names = [profile.name_of(each) for each in batch.segments["category_id"].to_numpy()[chosen].tolist()]
    told = []
    for row in np.unique(owner).tolist():
        mine = owner == row
        pixels = np.stack([start[mine], length[mine]]).astype("<i8").tobytes()
        told.append(names[row].encode() + b"\0" + pixels)
    if len(rows):  # an empty segment is one, too
        told += [names[row].encode() + b"\0" for row in np.setdiff1d(np.arange(len(rows)), owner).tolist()]
    return blake2b(b"\0\0".join(sorted(told)), digest_size=12).hexdigest()
