"""SEG314 displaced-labels: labels lie beside the edges of their pictures, and on them when they are moved or turned."""

from collections.abc import Mapping

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.core.table import Column, Table
from segdata.measure.placements import ELSEWHERE, SCALED, SHIFTED, change_words
from segdata.rules.shared import image_names

_MIN_DISTANCE = 0.25  # beyond the picture, as a share of its longer side
_MIN_FAR_SHARE = 0.2  # of the segments
_LOOSE = 0.02  # of the size, by which labels of some images are larger or smaller than what they show
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
    Labels that are loose all around are no finding, nor are labels that lie on another picture because its own labels
    lie in the same places, as in the next frame of a video.

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


def _scores(score: float, own: float) -> str:
    return f": {score:.0f} instead of {own:.0f} standard deviations above chance"
