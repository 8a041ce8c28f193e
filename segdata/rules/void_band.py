"""SEG130 void-band: a band along the image's border is void or unlabelled."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, medians, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.strata import is_example
from segdata.core.table import group_edges
from segdata.rules.shared import image_names

_MIN_LABELLED_SHARE = 0.5  # of the pixels of most images, or the rule has nothing to judge
_MIN_SEGMENTS = 2  # of an annotation: one by itself has its own box, such as a board that fills its photograph
_STRAIGHT = 0.5  # of a side of the box: segments end flat there, as a cut ends them and no roof does
_MIN_IMAGES = 3  # with the same bands: things that end at one distance from the frame by chance are single ones
_SIDES = ("left", "top", "right", "bottom")


@rule("SEG130", "void-band", severity="info", needs=("coverage", "ends"), whole=True, by_part=True)
def void_band(tables: Tables, *, min_width: int = 2, max_share: float = 0.25, min_filled: float = 0.9) -> Findings:
    """A band along the image's border is void or unlabelled.

    Flagged:
        ...................
        ...................
        ..aaaaaaaabbbbbbbb.
        ..aaaaaaaabbbbbbbb.
        ..aaaaaaaabbbbbbbb.
        ..aaaaaaaabbbbbbbb.
        ..aaaaaaaabbbbbbbb.
        ..aaaaaaaabbbbbbbb.
        ..aaaaaaaabbbbbbbb.
        ..aaaaaaaabbbbbbbb.

        task: semantic

    Fine, much else is unlabelled (min_filled=0.9):
        ..........
        ..........
        ..aa...bb.
        ..aa...bb.
        ..aa...bb.
        ..........
        ..........
        ..aa...bb.
        ..aa...bb.
        ..aa...bb.

        task: semantic

    Fine, the labels have a border of their own there:
        ....................
        ....................
        ....................
        .......aaaaaa.......
        ....aaaaaaaaaaaa....
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaabbbbbbbbbb
        aaaaaaaaaabbbbbbbbbb
        aaaaaaaaaabbbbbbbbbb
        aaaaaaaaaabbbbbbbbbb
        aaaaaaaaaabbbbbbbbbb
        aaaaaaaaaabbbbbbbbbb
        aaaaaaaaaabbbbbbbbbb
        aaaaaaaaaabbbbbbbbbb

        task: semantic

    The rule judges datasets in which most pixels are labelled, and there annotations whose segments fill nearly all of
    the box around all of them; a single segment says nothing. If that box ends short of the image, no pixel beyond it
    is labelled, apart from void. And it has to end as if it were cut: along half of its side or more, segments end flat
    (SEG116). You get one finding for each combination of bands, with the images that have them. It is a warning if
    three images or more have exactly these bands and others have none: a script cut them. It is an info if all of these
    annotations have some band, because then it is how this dataset was made, and for one or two images, because what
    nearly fills a photograph leaves such bands, too.

    Why: a network with a stride, a filter without padding, or an undistorted camera image leaves such bands. In part of
    the data they are a mistake: images and masks were padded or cut in different ways, and do not lie on each other.

    Remedy: compare image and mask at the border. Cut the images to what is labelled, or write the masks again without
    the border.

    Options: `min_width`: narrower bands are ignored, in pixels; many people end a pixel short of the frame.
    `max_share`: wider ones, as a share of the image's side, are taken for regions that were left out. `min_filled`: the
    least share of the box that is labelled, and not void.
    Defaults: 41 openings of public datasets have no finding; the labels of CamVid and CamSeq01 (56 masks) reach the
    frame on all sides. The demand that most pixels are labelled was added after findings on sparse sets among them, and
    the demand of flat ends after 43 false findings on sky above facades (598 photographs, then 1: a facade that ends 2
    px short of the frame), and that of two segments after 6 on boards that nearly fill their photographs.
    """
    rows = np.flatnonzero(is_example(tables))
    segments, annotations = tables.segments.take(rows), tables.annotations
    owner, n = segments["annotation"].astype(np.int64), len(annotations)
    edges = group_edges(segments, owner, n)
    low, high = np.stack([edges["left"], edges["top"]]), np.stack([edges["right"], edges["bottom"]])
    frame = np.stack([tables.images[name][annotations["image"]].astype(np.int64) for name in ("width", "height")])
    has_some = (frame > 0).all(axis=0) & (np.bincount(owner, minlength=n) >= _MIN_SEGMENTS)
    margins = np.concatenate([low, frame - high]).T  # (n, 4)
    filled = annotations["labelled"] - annotations["void"]
    is_dense = has_some & (filled >= min_filled * np.where(has_some, (high - low).prod(axis=0), 1))
    margins = np.where((margins >= min_width) & (margins <= max_share * np.tile(frame, (2, 1)).T), margins, 0)
    area = np.maximum(frame.prod(axis=0), 1)
    margins = np.where(_is_cut(tables, rows, np.concatenate([low, high]).T), margins, 0)
    usual = medians(tables, (filled / area)[has_some], np.zeros(int(has_some.sum()), np.int64))
    if len(usual) == 0 or usual["median"][0] < _MIN_LABELLED_SHARE:
        return
    dense = np.flatnonzero(is_dense)
    n_dense = total(tables, n=len(dense))["n"]
    some = dense[(margins[dense] > 0).any(axis=1)]
    columns = {"annotation": some, **dict(zip(_SIDES, margins[some].T, strict=True)), "width": frame[0, some]}
    tables, bands = gather(tables, columns | {"height": frame[1, some]}, {"annotation": "annotations"})
    banded, margins = bands["annotation"], np.stack([bands[side] for side in _SIDES], axis=1)
    frame = np.stack([bands["width"], bands["height"]])
    is_habit = len(banded) == n_dense and n_dense > 1
    kinds, inverse = np.unique(margins, axis=0, return_inverse=True)
    for number, kind in enumerate(kinds.tolist()):
        rows = np.flatnonzero(inverse == number)
        mine = banded[rows]
        bands_of_kind = " and ".join(
            f"{width:,} px at the {side}" for side, width in zip(_SIDES, kind, strict=True) if width
        )
        pixels = int((frame[:, rows].prod(axis=0) - _inside(frame[:, rows], kind)).sum())
        whose = (
            "" if len(mine) == 1 else f"; {count_noun(len(mine), 'image')} of {n_dense:,}: {image_names(tables, mine)}"
        )
        yield RowFinding(
            f"no pixel is labelled in a band of {bands_of_kind}{whose}",
            annotation=int(mine[0]) if len(mine) == 1 else None,
            pixels=pixels,
            severity="warning" if len(mine) >= _MIN_IMAGES and not is_habit else None,
        )


def _is_cut(tables: Tables, rows: Ints, box: Ints) -> Flags:
    """(n, 4) whether segments end flat along half of each side of the boxes (n, 4) of annotations."""
    ends = tables.ends.take(np.isin(tables.ends["segment"], rows))
    owner = tables.segments["annotation"][ends["segment"]].astype(np.int64)
    is_cut = np.zeros(box.shape, bool)
    for side in range(4):
        here = (ends["upright"] == (side % 2 == 0)) & (ends["begins"] == (side < 2)) & (ends["at"] == box[owner, side])
        length = np.bincount(owner[here], ends["length"][here], len(box))
        extent = box[:, 3] - box[:, 1] if side % 2 == 0 else box[:, 2] - box[:, 0]
        is_cut[:, side] = length >= _STRAIGHT * extent
    return is_cut


def _inside(frame: Ints, margins: list[int]) -> Ints:
    """(n,) pixels of images (2, n) inside margins at the left, top, right and bottom."""
    left, top, right, bottom = margins
    return np.asarray((frame[0] - left - right) * (frame[1] - top - bottom), np.int64)
