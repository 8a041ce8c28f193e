"""SEG314 displaced-labels: labels lie beside the edges of their pictures, and on them when they are moved or turned."""

from collections.abc import Mapping

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats
from segdata.core.table import Column, Table
from segdata.measure.placements import ELSEWHERE, SCALED, SHIFTED, SIDE, change_words
from segdata.rules.shared import image_names

_MIN_DISTANCE = 0.25  # beyond the picture, as a share of its longer side
_MIN_FAR_SHARE = 0.2  # of the segments
_LOOSE = 0.02  # of the size, by which labels of some images are larger or smaller than what they show
_MIN_RIM = 2.0  # pixels beside the edges, and at least one of the picture as it is compared
_MAX_BETWEEN = 0.1  # of the images: those in the middle third between two ways to draw
_MIN_RIM_SHARE = 0.8  # of the images that lie by half of the median or more on one side
_STRONG = 2  # times the limits, where one image is evidence enough for a warning


@rule(
    "SEG314",
    "displaced-labels",
    severity="warning",
    needs=("placements", "outlines", "shapes"),
    whole=True,
    habit="image",
    by_part=True,
)
def displaced_labels(
    tables: Tables,
    *,
    min_score: float = 12.0,
    min_ratio: float = 3.0,
    min_images: int = 5,
    min_group_score: float = 8.0,
    min_group_ratio: float = 1.5,
    min_shift_ratio: float = 1.15,
    min_share: float = 0.8,
    min_blank: float = 0.4,
    min_bare: float = 0.99,
    min_padded: float = 0.5,
) -> Findings:
    """Labels lie beside the edges of their pictures, and on them when they are moved, scaled, turned or exchanged.

    Example:
        the labels of 40 of 40 images lie on the edges of their pictures only when they are mirrored left to right
        48% of the outlines lie where the picture is blank
        the picture is of one shade around all outlines: the labels are of another one, or it is damaged
        the padding around the picture, all of one shade, is labelled to 97%
        the outlines of 20 of 40 images (21.png, 22.png, 23.png, …) lie 3 px outside of the edges of their pictures,
            those of the others on them (-0.3 px)

    The rule reduces picture and labels to 256 pixels and counts how well outlines lie on edges of the picture: a score
    of standard deviations above random places. Labels that people drew score 5 to 60.

    You get a finding for an image whose labels score low as they are, and high once they are shifted, mirrored, turned,
    scaled, made wider or narrower, exchanged in x and y, or laid on another picture. If one change places the labels of
    nearly all images of an annotator, split and kind of file better, or clearly those of five, you get one finding for
    them; for groups, scales and shifts of a hundredth of the image are tried, too.

    A finding about a single image is an info, because straight things and things of one size lie on many edges, unless
    its score and ratio are twice the limits; so is one about some images whose labels are up to 2 % too large or small:
    they may have been drawn loosely.

    You also get a finding for an image, if that is rare in the dataset, whose outlines lie where the picture is blank,
    whose picture shows nothing but the outlines, as its mask would, or whose padding is labelled as a category that is
    neither void nor called background. These are infos, but for a picture that is a mask, or blank around all outlines.

    If there are more than 120 images, a random 120 are compared; of up to 40 NIfTI volumes the middle labelled slice.
    Images that are not on this machine are not, nor labels whose parts are all dots, 2 pixels across or less there.
    Labels of one image that are loose all around are no finding, nor are labels that lie on another picture because its
    own labels lie in the same places, as in the next frame of a video. You get an info if the outlines of
    `min_images` images or more lie 2 pixels or more (one of the reduced picture) inside or outside of the edges, and
    those of the others on them, or if all do.

    Why: a resized or mirrored image whose labels were not, an origin in another corner, or file names that are off by
    one ruin every label, and each label by itself looks fine.

    Remedy: look at the overlay. Turn or move the labels as the finding says, or give each image its own.

    Options: `min_score`, `min_ratio`: the least score of an image's labels after a change, and how many times that of
    the labels as they are. `min_images`: of a group; fewer are judged one by one. `min_group_score`,
    `min_group_ratio`: the same for the median of a group, `min_shift_ratio` if it is shifted. `min_share`: the least
    share of the group that a change places better. `min_blank`: the least share of the outlines that lie where the
    picture is blank. `min_bare`: the least share of the picture's shades that lie at the outlines. `min_padded`: the
    least share of the padding that is labelled.
    Defaults: chosen on GBM40, CamVid, lemons, nerves and magnetic tiles, whose labels score 54, 23, 18, 62 and 6
    (medians), and 8.6 at most after a change of an image that scores below 5. In 17 other openings no image has more
    than 7.9 after a change. White trains cut out on white have up to 27 % of their outlines where the picture is blank.
    """
    tables, beyond = gather(tables, _beyond_picture(tables), {"annotation": "annotations"})
    furthest = dict(beyond.lines("annotation", "overshoot"))
    groups, single = tables.measured["group_placements"], tables.measured["placements"]
    flagged = set[int]()
    whole, parts = groups.take(groups["is_part"] == 0), groups.take(groups["is_part"] == 1)
    for group, n, fitting, own, score, change, x, y in whole.lines(
        "group", "n", "fitting", "own", "score", "change", "x", "y"
    ):
        ratio = min_shift_ratio if change == SHIFTED else min_group_ratio
        if score >= max(min_group_score, ratio * own) and n >= min_images and fitting >= min_share * n:
            flagged.add(group)
            row = int(single["annotation"][single["group"] == group][0])
            message = (
                f"the labels of {fitting:,} of {count_noun(n, 'image')} lie on the edges of their pictures only when "
                f"they are {change_words(change, x, y)}{_scores(score, own)}"
            )
            yield RowFinding(message, annotator=tables.annotations["annotator"][row])
    in_part = np.zeros(len(single), bool)
    for group, n, fitting, own, score, change, x, y in parts.lines(
        "group", "n", "fitting", "own", "score", "change", "x", "y"
    ):
        if group in flagged or fitting < min_images:
            continue
        members = single["part"] == group
        in_part |= members
        rows = single["annotation"][members]
        message = (
            f"the labels of {fitting:,} of {count_noun(n, 'image')} ({image_names(tables, rows)}) lie on the edges of "
            f"their pictures only when they are {change_words(change, x, y)}{_scores(score, own)}"
        )
        is_loose = change == SCALED and max(abs(x - 1), abs(y - 1)) <= _LOOSE
        severity: Severity = "info" if is_loose else "warning"
        yield RowFinding(message, annotator=tables.annotations["annotator"][int(rows[0])], severity=severity)
    stands = ~in_part & (single["change"] >= 0) & (single["score"] >= np.maximum(min_score, min_ratio * single["own"]))
    at_best = np.where(stands, single["score"], single["own"])
    usual = {group: float(np.median(at_best[single["group"] == group])) for group in set(single["group"].tolist())}
    judged = [group for group, score in usual.items() if group not in flagged and score >= min_group_score]
    placed = single.take(stands & np.isin(single["group"], judged))
    is_strong = placed["score"] >= _STRONG * np.maximum(min_score, min_ratio * placed["own"])
    yield from _displaced_in_image(tables, placed, is_strong, furthest)
    told = in_part | np.isin(single["group"], list(flagged))
    yield from _beside_edges(tables, single.take(~told & ~np.isnan(single["rim"])), min_images)
    yield from _without_shade(single, min_images, min_blank, min_bare, min_padded)


def _displaced_in_image(tables: Tables, placements: Table, is_strong: Flags, furthest: Mapping[int, float]) -> Findings:
    """A finding for each image whose labels fit its picture only after a change, or fit another picture."""
    columns = ("annotation", "own", "score", "change", "x", "y", "other", "alike")
    for strong, (row, own, score, change, x, y, other, alike) in zip(
        is_strong.tolist(), placements.lines(*columns), strict=True
    ):
        severity: Severity = "warning" if strong else "info"
        if change != ELSEWHERE:
            where = f"the picture only when they are {change_words(change, x, y)}"
        elif row in furthest:
            yield RowFinding(
                f"the outlines go on up to {furthest[row]:,.0f} px beyond the picture: it may be a tile of a "
                "larger one, whose coordinates the labels have",
                annotation=row,
                severity=severity,
            )
            continue
        elif alike > score:
            continue  # the other picture shows the same things in the same places, as the next frame does
        else:
            where = f"another picture, {tables.images['image_id'][tables.annotations['image'][other]]}"
        message = f"the labels lie on the edges of {where}{_scores(score, own)}"
        yield RowFinding(message, annotation=row, severity=severity)


def _beyond_picture(tables: Tables) -> dict[str, Column]:
    """Annotations (rows) with many outlines far outside of their picture, and the most pixels by which one is."""
    outlines, annotations, images = tables.outlines, tables.annotations, tables.images
    annotation = tables.segments["annotation"][outlines["segment"]]
    image = annotations["image"][annotation]
    is_far = outlines["overshoot"] > _MIN_DISTANCE * np.maximum(images["width"][image], images["height"][image])
    n_far = np.bincount(annotation[is_far], minlength=len(annotations))
    n_outlines = np.bincount(annotation, minlength=len(annotations))
    many = np.flatnonzero((n_far >= 2) & (n_far >= _MIN_FAR_SHARE * n_outlines))
    overshoot = [outlines["overshoot"][is_far & (annotation == row)].max() for row in many.tolist()]
    return {"annotation": many, "overshoot": np.array(overshoot, np.float64)}


def _without_shade(single: Table, min_images: int, min_blank: float, min_bare: float, min_padded: float) -> Findings:
    """Images whose pictures are blank where labels are, or show nothing but these, unlike most of the dataset's."""
    if len(single) < min_images:
        return
    blank, bare = single["blank"], single["bare"]
    measurable = bare[bare >= 0]
    masks = (bare >= min_bare) & (np.median(measurable if len(measurable) else bare) < min_bare / 2)
    empty = ~masks & (blank >= min_blank) & (np.median(blank) < min_blank / 2)
    padded = single["padded"]
    padding = ~masks & ~empty & (padded >= min_padded) & (np.median(padded) < min_padded / 2)
    for k in np.flatnonzero(masks | empty | padding).tolist():
        message = f"{blank[k]:.0%} of the outlines lie where the picture is blank"
        if blank[k] == 1:
            message = "the picture is of one shade around all outlines: the labels are of another one, or it is damaged"
        elif masks[k]:
            message = "the picture shows nothing but the outlines of the labels: is it their mask?"
        elif padding[k]:
            message = f"the padding around the picture, all of one shade, is labelled to {padded[k]:.0%}"
        severity: Severity = "warning" if masks[k] or blank[k] == 1 else "info"
        yield RowFinding(message, annotation=int(single["annotation"][k]), severity=severity)


def _beside_edges(tables: Tables, single: Table, min_images: int) -> Findings:
    """One finding if outlines of many images lie some pixels inside or outside of the edges of their pictures."""
    if len(single) < max(min_images, 2):
        return
    rim, rows = single["rim"], single["annotation"]
    image = tables.annotations["image"][rows]
    side = np.maximum(tables.images["width"][image], tables.images["height"][image])
    least = max(_MIN_RIM, float(np.median(side)) / SIDE)
    middle = float(np.median(rim))
    if abs(middle) >= least and np.mean(rim * np.sign(middle) >= abs(middle) / 2) >= _MIN_RIM_SHARE:
        message = f"the outlines of {count_noun(len(rim), 'image')} lie {_beside(middle)} the edges of their pictures"
        yield RowFinding(f"{message} (median)", severity="info")
        return
    is_low = rim < _two_means(rim)
    low, high = (np.quantile(rim[which], [0.25, 0.5, 0.75]) for which in (is_low, ~is_low))
    third = (high[1] - low[1]) / 3
    is_between = (rim > low[1] + third) & (rim < high[1] - third)
    off, own, other = (is_low, low[1], high[1]) if abs(low[1]) > abs(high[1]) else (~is_low, high[1], low[1])
    if (
        min(off.sum(), (~off).sum()) >= min_images
        and 3 * third >= least
        and max(low[2] - low[0], high[2] - high[0], abs(other)) <= third
        and is_between.mean() <= _MAX_BETWEEN
    ):
        names = image_names(tables, rows[off])
        yield RowFinding(
            f"the outlines of {int(off.sum()):,} of {count_noun(len(rim), 'image')} ({names}) lie {_beside(own)} the "
            f"edges of their pictures, those of the others on them ({other:+.1f} px)",
            severity="info",
        )


def _two_means(values: Floats) -> float:
    """The least of the upper values where they fall into two parts: these have the largest variance between them.

    Source: Otsu (1979), IEEE Transactions on Systems, Man, and Cybernetics 9(1), 62-66, without a histogram; validate
    does not load scikit-image, which has it.
    """
    order = np.sort(values)
    n = np.arange(1, len(order))
    below, above = np.cumsum(order)[:-1] / n, np.cumsum(order[::-1])[-2::-1] / n[::-1]
    return float(order[1 + int((n * n[::-1] * (above - below) ** 2).argmax())])


def _beside(rim: float) -> str:
    """Where outlines lie that would have to move outwards by `rim` pixels."""
    return f"{abs(rim):.0f} px {'inside' if rim > 0 else 'outside'} of"


def _scores(score: float, own: float) -> str:
    return f": {score:.0f} instead of {own:.0f} standard deviations above chance"
