"""SEG358 slice-gap: a structure is missing on one slice of a volume."""

from collections import Counter
from itertools import pairwise

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.profile import has_volumes
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.strata import joint_codes
from segdata.core.table import Table
from segdata.measure.sequences import SequenceIndex, is_frame_of, shared_box_area, things_by_frame

_MIN_GAP = 8  # pixels
_MIN_SHARE = 0.5  # of the smaller part
_FEW = 2  # gaps of a category that are no habit; and slices
_ORDINALS = {2: "other", 3: "third", 4: "fourth", 5: "fifth"}
_MAX_TAPER = 0.7  # of the area at the first and last slice: that where a structure ends within the volume
# slices on which a structure ends flat at one plane, and over how many pixels, and which share of its side
_MIN_CUT_SLICES, _MIN_CUT, _MIN_CUT_SHARE = 4, 24, 0.5
_MIN_STRIDES, _REGULAR = 4, 0.8  # steps from slice to slice, and the share that is as long as the shortest


@rule(
    "SEG358",
    "slice-gap",
    severity="warning",
    needs=("shapes", "volumes", "ends", "steps"),
    when=has_volumes,
    habit="image",
    per_sequence=True,
)
def slice_gap(tables: Tables, *, min_pixels: int = 8, min_share: float = 0.6, max_gaps: float = 0.05) -> Findings:
    """A structure, or a whole category, is missing on a slice between two that have it.

    Flagged:
        .....
        .aaaa
        .aaaa
        .aaaa

        .....
        .....
        .....
        .....

        .....
        .aaaa
        .aaaa
        .aaaa

        sequence: volume
        a: lesion

    Fine, it moves aside:
        aaa...
        aaa...
        aaa...

        .aaa..
        .aaa..
        .aaa..

        aaaa..
        aaaa..
        aaaa..

        sequence: volume
        a: lesion

    Flagged, the whole category is gone (min_pixels=4):
        aa.aa.aa
        aa.aa.aa
        aa.aa.aa

        ........
        ........
        ........

        aa.aa.aa
        aa.aa.aa
        aa.aa.aa

        sequence: volume
        task: semantic
        a: mitochondrion

    Flagged, only every other slice is drawn (min_pixels=4):
        aaa
        aaa

        ...
        ...

        aaa
        aaa

        ...
        ...

        aaa
        aaa

        ...
        ...

        aaa
        aaa

        ...
        ...

        aaa
        aaa

        sequence: volume
        a: lesion

    You get one finding for each two parts that lie over each other on the slices before and after the one between, if
    neither of them continues there. If the slice has nothing of the category, you get one finding for all of its parts.
    A structure has one category and track in one volume. The rule does not judge slices without an annotation, nor
    categories whose structures are so thin that they come and go. If a category is on every second, third … slice only,
    and the slices between have nothing of it, you get one finding for the volume. So do you for a category that goes on
    from the last slice to the first (half of both boxes) and tapers off around two slices or more without it:
    its labels were moved along the slices, and what left them at the end came back at the beginning.

    A category that ends flat on one row or column of pixels, on four successive slices or more and over at least 24
    pixels and half of its side, is an info: it was cut off there. Where another begins on that line, both are halves of
    one structure, and fine.

    Why: nothing in a body or a tissue stops for one slice. The structure counts as two, and its volume is too small.

    Remedy: draw it on the slice between, or interpolate between its neighbours. If nobody worked on the slices between,
    remove their annotations: an empty annotation says that there is nothing.

    Options: `min_pixels`: the least number of pixels over each other. `min_share`: the same as a share of the smaller
    part. `max_gaps`: a category comes and goes if it has more than two gaps in a volume, and more than this share of
    its parts of three slices and more. Slices that have nothing of it are counted apart, as a share of the slices.
    Defaults: fly tissue (7 sections, three layers) has 1: a synapse, dark in the image, that is not drawn. Its merged
    labels have that. One more there, a membrane that moved by its width between two sections (23 px), was the reason
    for the least share: 0.59 of the smaller part. Membranes, which are labelled by direction there, come and go (15 to
    26 times in each of five categories, 211 to 286 parts of three sections and more) and are ignored. Three readers of
    one brain scan, a spleen, spines, nuclei in three dimensions and 17 volumes of TotalSegmentator's tests have none.
    Flat ends were tried on 71 public files of labels of volumes: at three slices and 8 pixels there were 23, of aortas,
    ribs and straight spinal cords; at four and 24 there is none.
    """
    yield from _every_other(tables)
    yield from _rolled(tables)
    yield from _cut_by_planes(tables)
    segments, skips = tables.segments, tables.skips
    # Small gaps, too, show that a category comes and goes.
    least = min(min_pixels, _MIN_GAP), min(min_share, _MIN_SHARE)
    skips = skips.take((skips["shared"] >= least[0]) & (skips["shared"] >= least[1] * skips["smaller"]))
    skips = skips.beside(category=segments["category_id"][skips["before"]])
    skips = skips.take(~_come_and_go(tables, skips, max_gaps))
    skips = skips.take((skips["shared"] >= min_pixels) & (skips["shared"] >= min_share * skips["smaller"]))
    blank = _is_blank(tables, skips)
    columns = ("before", "annotation", "shared", "smaller", "x", "y", "width", "height")
    for before, annotation, shared, smaller, *box in skips.take(~blank).lines(*columns):
        name = tables.category_name(before)
        message = (
            f"{name} is missing here, but {shared:,} px overlap between the slices before and after "
            f"(the smaller part has {smaller:,} px)"
        )
        yield RowFinding(message, annotation=annotation, bbox=tuple(box), pixels=shared, category=name)
    gone = skips.take(blank)
    for rows in gone.groups("annotation", "category"):
        name, shared = tables.profile.name_of(int(gone["category"][rows[0]])), int(gone["shared"][rows].sum())
        message = (
            f"this slice has nothing of {name}, but {shared:,} px of {count_noun(len(rows), 'part')} overlap between "
            "the slices before and after"
        )
        left, top = int(gone["x"][rows].min()), int(gone["y"][rows].min())
        right, bottom = (int((gone[a][rows] + gone[b][rows]).max()) for a, b in (("x", "width"), ("y", "height")))
        box_around = (left, top, right - left, bottom - top)
        annotation = int(gone["annotation"][rows[0]])
        yield RowFinding(message, annotation=annotation, bbox=box_around, pixels=shared, category=name)


def _every_other(tables: Tables) -> Findings:
    """Volumes in which a category is on every second slice only, or on fewer, always as many apart."""
    things = things_by_frame(tables, "volume")
    same = np.flatnonzero(np.diff(things["thing"]) == 0)
    thing, step = things["thing"][same], np.diff(things["place"])[same]
    of_thing, first = joint_codes(thing)
    least = np.full(len(first), np.iinfo(np.int64).max)
    np.minimum.at(least, of_thing, step)
    n, n_regular = np.bincount(of_thing), np.bincount(of_thing, step == least[of_thing])
    is_sparse = (least > 1) & (n >= _MIN_STRIDES) & (n_regular >= _REGULAR * n)
    sparse = Table({
        "sequence": things["sequence"][same[first]],
        "step": least,
        "segment": things["segment"][same[first]],
        "n": n + 1,
        "between": np.bincount(of_thing, step).astype(np.int64) - n,
    }).take(is_sparse)  # fmt: skip
    for rows in sparse.groups("sequence", "step"):
        step_, segment, n_slices, between = (int(sparse[name][rows[0]]) for name in ("step", "segment", "n", "between"))
        name = tables.category_name(segment)
        several = f" and {count_noun(len(rows) - 1, 'other category', 'other categories')}" if len(rows) > 1 else ""
        message = (
            f"{name}{several} {'are' if several else 'is'} on every {_ORDINALS.get(step_, f'{step_}th')} slice only: "
            f"{name} on {n_slices} slices, and nothing of it on the {between} between"
        )
        yield RowFinding(message, segments=(segment,), category=name)


def _rolled(tables: Tables) -> Findings:
    """Volumes in which a category ends twice around empty slices, and goes on from the last slice to the first."""
    things = things_by_frame(tables, "volume")
    n_slices = [len(sequence.frame) for sequence in SequenceIndex.from_tables(tables).sequences]
    _, first = joint_codes(things["thing"])
    for begin, end in pairwise([*first.tolist(), len(things)]):
        place, area = things["place"][begin:end], things["area"][begin:end]
        gap = np.flatnonzero(np.diff(place) > 1)
        n = n_slices[int(things["sequence"][begin])]
        if len(gap) != 1 or place[0] != 0 or place[-1] != n - 1 or place[gap[0] + 1] - place[gap[0]] <= _FEW:
            continue
        shared = int(shared_box_area(things, begin, end - 1))
        boxes = [(things["right"][k] - things["left"][k]) * (things["bottom"][k] - things["top"][k])
                 for k in (begin, end - 1)]  # fmt: skip
        tapers = max(area[gap[0]], area[gap[0] + 1]) <= _MAX_TAPER * min(area[0], area[-1])
        if tapers and shared >= _MIN_SHARE * (boxes[0] + boxes[1] - shared):
            segment = int(things["segment"][end - 1])
            yield RowFinding(
                f"{tables.category_name(segment)} goes on from the last slice to the first, and ends on either side of "
                f"{place[gap[0] + 1] - place[gap[0]] - 1} slices without it: were the labels moved along the slices?",
                segments=(segment,),
                category=tables.category_name(segment),
            )


def _cut_by_planes(tables: Tables) -> Findings:
    """Planes on which a structure of a volume ends flat on several successive slices, and no other begins."""
    segments, ends, index = tables.segments, tables.ends, SequenceIndex.from_tables(tables)
    is_slice = is_frame_of(tables.profile, tables.images, "volume")[segments["image"]]
    is_slice &= segments["area"] < segments["width"] * segments["height"]
    is_slice[tables.steps["segment"]] = False
    owner = ends["segment"]
    line = ends.beside(annotation=segments["annotation"][owner]).take(is_slice[owner])
    side, _ = joint_codes(*(line[name].astype(np.int64) for name in ("annotation", "upright", "at")))
    both = np.bincount(side, line["begins"]) * np.bincount(side, ~line["begins"]) > 0
    owner = line["segment"]
    across = np.where(line["upright"], segments["height"][owner], segments["width"][owner])
    line = line.take(~both[side] & (line["length"] >= np.maximum(_MIN_CUT, _MIN_CUT_SHARE * across)))
    owner = line["segment"]
    line = line.beside(
        sequence=index.sequence[line["annotation"]],
        place=index.place[line["annotation"]],
        category=segments["category_id"][owner],
    )
    planes: dict[tuple[int, ...], list[Ints]] = {}
    for rows in line.groups("sequence", "category", "upright", "at", "begins"):
        place = np.unique(line["place"][rows])
        if len(place) >= _MIN_CUT_SLICES and np.ptp(place) < len(place):
            plane = tuple(int(line[name][rows[0]]) for name in ("sequence", "upright", "at", "begins"))
            planes.setdefault(plane, []).append(rows)
    for (_, upright, position, begins), several in planes.items():
        rows = max(several, key=lambda rows: len(rows))
        largest = int(rows[np.argmax(line["length"][rows])])
        segment = int(line["segment"][largest])
        name = tables.category_name(segment)
        more = f" and {count_noun(len(several) - 1, 'other category', 'other categories')}" if len(several) > 1 else ""
        word = ("begin" if begins else "end") + ("" if more else "s")
        yield RowFinding(
            f"{name}{more} {word} flat on the line {'x' if upright else 'y'} = {position} on "
            f"{count_noun(len(np.unique(line['place'][rows])), 'slice')}, up to {line['length'][largest]:,} px of it: "
            f"{'were they' if more else 'was it'} cut off there?",
            segments=(segment,),
            category=name,
            severity="info",
        )


def _is_blank(tables: Tables, skips: Table) -> Flags:
    """(n_skips,) whether the slice between has no pixel of the category."""
    segments = tables.segments.take(tables.segments["area"] > 0)
    owner = np.concatenate([segments["annotation"], skips["annotation"]]).astype(np.int64)
    pair, _ = joint_codes(owner, np.concatenate([segments["category_id"], skips["category"]]))
    return ~np.isin(pair[len(segments) :], pair[: len(segments)])


def _come_and_go(tables: Tables, skips: Table, max_gaps: float) -> Flags:
    """(n_skips,) whether gaps are usual for the category in its volume."""
    sequence, category = tables.images["sequence"][tables.segments["image"]], tables.segments["category_id"]
    long = tables.solids["segment"][tables.solids["slices"] > _FEW]
    usual, blank = np.zeros(len(skips), bool), _is_blank(tables, skips)
    before, n_slices = skips["before"], Counter(tables.images["sequence"].tolist())
    for rows in skips.beside(sequence=sequence[before]).groups("sequence", "category"):
        first = before[rows[0]]
        n_long = ((sequence[long] == sequence[first]) & (category[long] == category[first])).sum()
        n_blank = len(np.unique(skips["annotation"][rows[blank[rows]]]))
        # Beside a blank slice there is nothing to have gaps: what is left of the slices stands for all.
        n_between = max(n_slices[sequence[first]] - 2, 1)
        n_gaps = (~blank[rows]).sum() * n_between / max(n_between - 3 * n_blank, 0.5)
        habit = n_gaps > max(_FEW, max_gaps * n_long), n_blank > max(_FEW, max_gaps * n_between)
        usual[rows] = np.where(blank[rows], habit[1], habit[0])
    return usual
