"""SEG309 missing-companion: a category is absent where it almost always occurs."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.guideline import Chapter, quote_guideline
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints, expand_ranges, unique_inverse
from segdata.core.statistics import binomial_lower_bound, proves_rate
from segdata.core.strata import CategoryTally, example_segments
from segdata.rules.shared import image_names

_CHAPTERS: tuple[Chapter, ...] = ("occlusion_rule", "definition")
_MIN_SINGLE_IMAGES, _SEVERAL, _MIN_SEVERAL_IMAGES = (
    3,
    4,
    20,
)  # images with one category, categories of the others, and these
_AT_ONCE = 2_000_000  # pairs of categories counted in one go, to bound memory


@rule("SEG309", "missing-companion", severity="info", needs=(), whole=True, by_part=True, habit="image")
def missing_companion(tables: Tables, *, min_rate: float = 0.9, max_missing: float = 0.01) -> Findings:
    """A category is absent, although the other categories in the image show that it almost always occurs.

    Flagged (min_rate=0.2, max_missing=0.3):
        aab

        aab

        aab

        aa.

        a: car
        b: wheel

    Fine (min_rate=0.2, max_missing=0.3):
        aab

        aab

        aa.

        aa.

        a: car
        b: wheel

    Nearly all images with one category (cars) have the other (wheels): all but a share max_missing (one image may
    always lack it), and so many that the rate is at least min_rate with a confidence of 95 % (Clopper and Pearson,
    1934, exact and one-sided). You get one finding for each image and missing category, which names the category that
    predicts it best. The rule ignores void.

    You also get one finding, a warning, if three images or more have a single category, and all others at least four:
    an export that keeps one category of each image leaves no image with two or three. Frames and slices do not count.

    Why: a category that was forgotten in some images (a missing class) teaches your model that it is background.

    Remedy: look at the image, and draw what is missing. If the category must always be there, you can require it in the
    taxonomy (`expected: {whenever: [car]}`), and absent-category checks that.

    Options: `min_rate`: the rate that must be proven. `max_missing`: the largest share of images that lack it.
    Defaults: 0.9 needs 29 images of which none, or 46 of which one lacks the category. The severity is info, because
    counts alone do not tell a forgotten category from one that is absent for once. One of 24 public datasets has a
    finding: a system's results on a video, 47 of 48 frames.
    """
    segments = example_segments(tables)
    tally = CategoryTally.count(segments, segments["annotation"])
    columns = {"owner": tally.owner, "category": tally.category}
    tables, uses = gather(tables, columns, {"owner": "annotations"})
    owner, (ids, category) = uses["owner"], unique_inverse(uses["category"])
    yield from _single_categories(tables, owner)
    together = _together(owner, category, len(ids))
    alone = np.diag(together)
    lacking = alone[:, None] - together
    likely = (lacking > 0) & (lacking <= np.maximum(1, max_missing * alone)[:, None])
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for sign_id, companion in zip(*(places.tolist() for places in np.nonzero(likely)), strict=True):
        counts_seen = int(together[sign_id, companion]), int(alone[sign_id])
        if not proves_rate(*counts_seen, min_rate):
            continue
        rate = binomial_lower_bound(*counts_seen)
        having = np.setdiff1d(owner[category == sign_id], owner[category == companion])
        for annotation in having.tolist():
            best[annotation, companion] = max(best.get((annotation, companion), (0.0, 0)), (rate, sign_id))
    for (annotation, companion), (rate, sign_id) in best.items():
        name, sign_name = (tables.profile.name_of(int(ids[id_])) for id_ in (companion, sign_id))
        message = (
            f"no {name!r}, though {int(together[sign_id, companion]):,} of {int(alone[sign_id]):,} annotations "
            f"with {sign_name!r} have it (with 95 % confidence the rate is {rate:.0%} or more)"
        )
        # The usual reason to leave a companion out is that it is hidden, and the guideline may say to draw it then.
        quotes = (quote_guideline(tables.profile.taxonomy, name, chapter) for chapter in _CHAPTERS)
        yield RowFinding(message + next(filter(None, quotes), ""), annotation=annotation, category=name, pixels=0)


def _single_categories(tables: Tables, owner: Ints) -> Findings:
    """One finding if some images have a single category, and all others several."""
    n_categories = np.bincount(owner, minlength=len(tables.annotations))
    rows = np.flatnonzero(n_categories)
    is_image = tables.images.missing("sequence")[tables.annotations["image"][rows]]
    rows = rows[is_image]
    n_categories = n_categories[rows]
    single, several = n_categories == 1, n_categories >= _SEVERAL
    n_single, n_several = int(single.sum()), int(several.sum())
    if (
        n_single < _MIN_SINGLE_IMAGES
        or n_several < max(_MIN_SEVERAL_IMAGES, n_single)
        or n_single + n_several < len(rows)
    ):
        return
    low, high = int(n_categories[several].min()), int(n_categories[several].max())
    names = image_names(tables, rows[single])
    others = f"{low}" if low == high else f"{low} to {high}"
    yield RowFinding(
        f"{n_single:,} of {len(rows):,} images have a single category ({names}), all others {others}: was only "
        "one category of these images kept?",
        severity="warning",
    )


def _together(owner: Ints, category: Ints, n: int) -> Ints:
    """(n, n) how many owners have both categories, from their (owner, category) pairs, sorted by owner."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    count = np.diff(np.append(first, len(owner)))
    result = np.zeros(n * n, np.int64)
    # Every pair with all of its owner's pairs, some owners at a time.
    ends = np.searchsorted(np.cumsum(count**2), np.arange(_AT_ONCE, (count**2).sum() + _AT_ONCE, _AT_ONCE), "right")
    start = 0
    for end in np.maximum(ends, 1).tolist():
        if end > start:
            times = np.repeat(count[start:end], count[start:end])
            first_category = category[first[start] : first[start] + int(count[start:end].sum())]
            second_category = category[expand_ranges(np.repeat(first[start:end], count[start:end]), times)]
            result += np.bincount(np.repeat(first_category, times) * n + second_category, minlength=n * n)
            start = end
    return result.reshape(n, n)
