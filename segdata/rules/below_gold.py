"""SEG407 below-gold: an annotator under the bar against the reference."""

from collections.abc import Iterator

from segdata.core.config import DISTANCES
from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import Chapter, quote_guideline
from segdata.core.rule import Tables, rule


@rule("SEG407", "below-gold", severity="error", needs=("agreement",))
def below_gold(tables: Tables, *, sure: bool = False) -> Iterator[RowFinding]:
    """An annotator whose agreement with the gold standard is below the bar.

    Example:
        ben: iou of car 0.71 (0.66 to 0.75) against gold, the bar is 0.80: surely below

    The bars, their metrics and tolerances are in `segdata.yaml`, for all categories together, each, or single ones:

        gold: {name: anna, metric: iou, bar: 0.8, each: 0.7, categories: {car: {metric: nsd, bar: 0.9}}}

    Without a bar nothing is told. The value decides, since a bar must say the same of everybody, however many images
    there are; the interval says how sure that is. Surely below is what would be below at the better end of the interval
    too. A distance (hd95, assd) is below where it is larger than the bar, and infinite where one of both has nothing.

    Why: a reference is there so that somebody is held to it.
    Remedy: look at the annotator's worst images in the report; let the work be done again, or teach. Where it is not
    sure, more images of the reference tell.
    Options: sure, only what is surely below.
    Defaults: false, so that few images pass nobody.
    """
    judged, opposed = tables.judged, tables.opposed
    if judged is None or opposed is None:
        return
    names = ("annotator", "category", "metric", "value", "low", "high", "bar", "clusters")
    for annotator, category, metric, value, low, high, bar, clusters in judged.below.lines(*names):
        is_sure = low > bar if metric in DISTANCES else high < bar
        if sure and not is_sure:
            continue
        who = opposed.annotators[annotator]
        what = opposed.categories[category].name if category >= 0 else None
        ends = f" ({low:.2f} to {high:.2f})" if low == low else ""
        told = "surely below" if is_sure else f"with {count_noun(clusters, 'image')} not sure"
        message = f"{who}: {metric} of {what or 'all'} {value:.2f}{ends} against gold, the bar is {bar:.2f}: {told}"
        chapter: Chapter = "boundary_rule" if metric in (*DISTANCES, "nsd", "boundary_iou") else "definition"
        yield RowFinding(
            message + quote_guideline(tables.profile.taxonomy, what, chapter), annotator=who, category=what
        )
