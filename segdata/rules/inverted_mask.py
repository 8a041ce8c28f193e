"""SEG132 inverted-mask: foreground and background are exchanged in some masks, or background has an instance's id."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, leading, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints
from segdata.rules.shared import both_ways, image_names, is_thing, segments_finding

_HALF = 0.5
_MIN_IMAGES = 2  # in which background has an id
_MIN_LAYERS, _MIN_WITHIN = 0.9, 0.9  # of the masks of a category; of the pixels of the others, where it is inverted
_MIN_CORNERS = 0.9  # of the pixels of an inverted bitmap that are the four corners of its box


@rule(
    "SEG132",
    "inverted-mask",
    severity="warning",
    needs=("shapes", "parts", "holes", "pairs"),
    whole=True,
    by_part=True,
)
def inverted_mask(
    tables: Tables,
    *,
    min_images: int = 6,
    min_gap: float = 2.0,
    max_share: float = 0.4,
    min_filled: float = 0.95,
    min_hole: int = 16,
) -> Findings:
    """Foreground and background are exchanged in some masks or outlines, or the background of instances has an id.

    Example:
        91% of the image is vessel, 8% to 10% in 7 others: are foreground and background exchanged?
        segment 1 is what all other segments leave, in 40 of 40 images: background with an id of its own?

    Flagged, everything but an object (min_hole=4):
        aaaaaaaa
        aaa..aaa
        aaa..aaa
        aaaaaaaa

    Fine, another object lies there (min_hole=4):
        aaaaaaaa
        aaabbaaa
        aaabbaaa
        aaaaaaaa

    Flagged, the corners of a box around nothing (min_hole=4):
        ............
        .aaa..aaa...
        .aa....aa...
        ............
        .a......a...
        .aaa..aaa...

    The first is about datasets of one category. A mask is inverted if its segments cover more than half of the image
    and reach all four sides, those of most others less than half, and the gap between the two is wide: twice as wide as
    all of the others are apart. The second is about instances. Where a segment reaches all four sides, is the largest
    of several, and no pixel is left without an id, it is background if it has the same id in nearly all such images and
    covers more than half of each; or if nearly all images of the dataset have it. The third is about single things of
    instances: one that covers half of its image and reaches all four sides has one hole, in which nothing is labelled.
    The fourth is about bitmaps that are cut to the box of their thing: nine in ten pixels of a thing are parts in the
    four corners of its box. The fifth, an info, is about masks of a category each that share pixels: in nearly all
    images a category covers more than half and reaches all four sides, the others lie within it, and its holes are
    empty.

    Why: some tools store foreground as black, others as white. A model that sees both learns neither; and a background
    with an id is counted as an object in every image.

    Remedy: exchange the values of these masks. For ids, set `background` below `instance_ids` in segdata.yaml.

    Options: `min_images`: fewer tell nothing. `min_gap`: the gap between the shares of inverted masks and others, in
    ranges of the others. `max_share`: the largest share of inverted masks. `min_filled`: the least share of images,
    among those where one segment is all that the others leave, in which it has the same id. `min_hole`: the least size
    of the hole in a thing, or of the middle of its box, in pixels.
    Defaults: they follow from the definition; 41 openings of public datasets have no finding.
    """
    segments, images = tables.segments, tables.images
    frame = (images["width"] * images["height"])[segments["image"]].astype(np.float64)
    width, height = (images[name][segments["image"]] for name in ("width", "height"))
    whole = (segments["width"] == width) & (segments["height"] == height) & (frame > 0)
    counts = ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids) & (segments["area"] > 0) & (frame > 0)
    yield from _corners_alone(tables, min_hole)
    is_large = counts & whole & (segments["area"] > _HALF * frame)
    yield from _everything_but(tables, is_large, min_hole)
    yield from _inverted_layers(tables, is_large, min_images)
    annotation = segments["annotation"]
    covered = np.where(counts, segments["area"] / np.maximum(frame, 1), 0.0)
    share: Floats = np.bincount(annotation, covered, len(tables.annotations)).astype(np.float64)
    categories = sum_by(tables, {"category": segments["category_id"][counts]}, {})["category"]
    if len(categories) != 1:
        return
    if tables.profile.task == "instance":
        full = np.flatnonzero(counts & whole)
        yield from _numbered_background(tables, full, share, min_images, min_filled)
        return
    reaches = np.bincount(annotation, counts & whole, len(share)) > 0
    judged = np.bincount(annotation, counts, len(share)) > 0
    tables, rows = gather(tables, {"share": share, "reaches": reaches, "judged": judged})
    share, judged = rows["share"], rows["judged"]
    inverted, others = judged & rows["reaches"] & (share > _HALF), judged & (share < _HALF)
    n = int(judged.sum())
    if n < min_images or not 0 < inverted.sum() <= max_share * n or inverted.sum() + others.sum() < n:
        return
    low, high = share[others].min(), share[others].max()
    if share[inverted].min() - high < min_gap * (high - low):
        return
    name = tables.profile.name_of(int(categories[0]))
    for row in np.flatnonzero(inverted).tolist():
        message = (
            f"{share[row]:.0%} of the image is {name}, {low:.0%} to {high:.0%} in "
            f"{count_noun(int(others.sum()), 'other')}: are foreground and background exchanged?"
        )
        yield RowFinding(message, annotation=row, category=name)


def _corners_alone(tables: Tables, min_hole: int) -> Findings:
    """One finding for the things of each annotation that are the four corners of their boxes, each a part."""
    if tables.profile.task == "semantic":
        return
    segments, parts = tables.segments, tables.parts
    owner = parts["segment"]
    left, top = (parts[start] == segments[start][owner] for start in ("x", "y"))
    right, bottom = (
        parts[start] + parts[side] == segments[start][owner] + segments[side][owner]
        for start, side in (("x", "width"), ("y", "height"))
    )
    in_corner = (left ^ right) & (top ^ bottom)
    corners = np.zeros((4, len(segments)), np.int64)
    np.add.at(corners, ((2 * right + bottom)[in_corner], owner[in_corner]), parts["area"][in_corner])
    middle = segments["width"] * segments["height"] - segments["area"]
    is_inverted = (corners > 0).all(axis=0) & (corners.sum(axis=0) >= _MIN_CORNERS * segments["area"])
    rows = np.flatnonzero(is_inverted & (middle >= min_hole) & is_thing(tables))
    for group in segments.take(rows).groups("annotation"):
        message = "the corners of a box around nothing: are the inside and the outside exchanged?"
        what = count_noun(len(group), "segment")
        yield segments_finding(tables, f"{what} {'is' if len(group) == 1 else 'are'} {message}", rows[group])


def _everything_but(tables: Tables, is_large: Flags, min_hole: int) -> Findings:
    """One finding for each thing that is all of its image but one empty hole."""
    if tables.profile.task == "semantic":
        return
    segments, holes = tables.segments, tables.holes
    single = is_large & is_thing(tables) & (segments["holes"] == 1) & (segments["parts"] == 1)
    empty = holes.take((holes["empty"] != 0) & (holes["area"] >= min_hole) & single[holes["segment"]])
    for segment, pixels, *box in empty.lines("segment", "area", "x", "y", "width", "height"):
        message = f"everything but {pixels:,} px that nothing else has: are the inside and the outside exchanged?"
        yield RowFinding(message, segments=(segment,), bbox=tuple(box), pixels=pixels)


def _inverted_layers(tables: Tables, is_large: Flags, min_images: int) -> Findings:
    """One info for each category that is all of its images but empty holes, with what other categories have."""
    segments, holes = tables.segments, tables.holes
    n_holes = np.bincount(holes["segment"], holes["empty"] != 0, len(segments))
    is_layer = is_large & (n_holes > 0) & (n_holes == segments["holes"])
    annotation, category = segments["annotation"], segments["category_id"]
    if not total(tables, layers=int(is_layer.sum()))["layers"]:
        return
    pairs = both_ways(tables.pairs)
    own = pairs.take(is_layer[pairs["one"]] & (category[pairs["one"]] != category[pairs["other"]]))
    shared = np.bincount(own["one"], own["shared"], len(segments))
    labelled = np.bincount(annotation, segments["area"], len(tables.annotations))
    others = labelled[annotation] - segments["area"]
    holds = is_layer & (others > 0) & (shared >= _MIN_WITHIN * others)
    sums = sum_by(
        tables,
        {"category": category},
        {"n": segments["area"] > 0, "layers": is_layer, "holds": holds, "pixels": segments["area"].astype(np.int64)},
    )
    if leading(tables) is None:
        return
    for number, n, n_layers, n_holds, pixels in sums.lines("category", "n", "layers", "holds", "pixels"):
        if n >= min_images and n_layers >= _MIN_LAYERS * n and 2 * n_holds >= n:
            name = tables.profile.name_of(number)
            message = (
                f"{name} is all but empty holes in {n_layers:,} of {count_noun(n, 'mask')}, and other categories lie "
                "within it: are foreground and background exchanged?"
            )
            yield RowFinding(message, category=name, pixels=pixels, severity="info")


def _numbered_background(tables: Tables, full: Ints, share: Floats, min_images: int, min_filled: float) -> Findings:
    """One finding for an id that is all that the other segments leave, in nearly all images that have such a segment.

    In nearly all images of the dataset it may cover less than half.
    """
    segments, images = tables.segments, tables.images
    several = np.bincount(segments["annotation"], minlength=len(share)) > 1
    rows = full[((share > 1 - 1e-9) & several)[segments["annotation"][full]]]
    sums = total(tables, annotations=len(share), full=len(rows))
    n = sums["annotations"]
    if n < min_images or not sums["full"]:
        return
    largest = np.zeros(len(share), np.int64)
    np.maximum.at(largest, segments["annotation"], segments["area"])
    rows = rows[segments["area"][rows] == largest[segments["annotation"][rows]]]
    columns = {name: segments[name][rows] for name in ("annotation", "segment_id", "area")}
    columns["frame"] = (images["width"].astype(np.int64) * images["height"])[segments["image"][rows]]
    tables, backgrounds = gather(tables, columns, {"annotation": "annotations"})
    if len(backgrounds) == 0:
        return
    ids, counts = np.unique(backgrounds["segment_id"], return_counts=True)
    id_ = int(ids[counts.argmax()])
    own = backgrounds.take(backgrounds["segment_id"] == id_)
    covers_half = bool((2 * own["area"] > own["frame"]).all())
    if len(own) < max(_MIN_IMAGES, min_filled * (len(backgrounds) if covers_half else n)):
        return
    message = (
        f"segment {id_} is what all other segments leave, in {len(own):,} of {count_noun(n, 'image')} "
        f"({image_names(tables, own['annotation'])}): background with an id of its own?"
    )
    yield RowFinding(message, pixels=int(own["area"].sum()))
