"""SEG407 below-gold: an annotator under the bar against the reference."""

from collections.abc import Iterator

from segdata.core.finding import Found
from segdata.core.rule import Tables, rule


@rule("SEG407", "below-gold", severity="error", needs=("agreement",))
def below_gold(tables: Tables) -> Iterator[Found]:
    """An annotator whose agreement with the gold standard is below the bar.

    Example:
        ben: iou of a 0.71 (0.66 to 0.75) against gold, the bar is 0.80

    The bar, its metric and its tolerance are in `segdata.yaml`, for each category or for all:

        gold: {name: anna, metric: iou, bar: 0.8, categories: {a: {metric: surface_dice, tolerance_px: 3, bar: 0.9}}}

    Without a bar nothing is told.

    Why: a reference is there so that somebody is held to it.
    Remedy: look at the annotator's worst images in the report; let the work be done again, or teach.
    """
    judged, opposed = tables.judged, tables.opposed
    if judged is None or opposed is None:
        return
    names = ("annotator", "category", "metric", "value", "low", "high", "bar")
    for annotator, category, metric, value, low, high, bar in judged.below.lines(*names):
        who = opposed.annotators[annotator]
        what = opposed.categories[category].name if category >= 0 else None
        of = f"{metric} of {what}" if what else f"{metric} of all"
        ends = f" ({low:.2f} to {high:.2f})" if low == low else ""
        yield Found(f"{who}: {of} {value:.2f}{ends} against gold, the bar is {bar:.2f}", annotator=who, category=what)
