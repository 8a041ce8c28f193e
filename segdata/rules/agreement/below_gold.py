"""SEG407 below-gold: an annotator is below the bar against the reference."""

from segdata.core.config import DISTANCES, WITHOUT_INTERVAL
from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import Chapter, quote_guideline
from segdata.core.rule import Findings, Tables, rule


@rule("SEG407", "below-gold", severity="error", needs=("agreement",))
def below_gold(tables: Tables, *, sure: bool = False) -> Findings:
    """The agreement of an annotator with the gold standard is below the bar, or reaches it with gold's own segments.

    Example:
        ben: iou of car 0.71 (0.66 to 0.75) against gold, the bar is 0.80: clearly below

    You set the bars, their metrics and tolerances in `segdata.yaml`, for all categories together, for each, or for
    single ones:

        gold: {name: anna, metric: iou, bar: 0.8, each: 0.7, categories: {car: {metric: nsd, bar: 0.9}}}

    Without a bar the rule reports nothing. The value decides, because a bar must mean the same for every annotator,
    however many images you have; the interval tells how certain the result is. An annotator is clearly below if the
    better end of the interval is below as well; hd95 and assd have none, since a few images may decide them. Where
    less is better (hd95, assd, offset_size, count_gap, variation_of_information) a larger value is below the bar; a
    distance of boundaries is infinite if one of the two has nothing. You can also name a plugin's metric.

    An annotator whose segments are gold's, pixel for pixel (SEG414), reaches every bar without having drawn. Such a
    score says nothing about the annotator, so it does not pass.

    Why: you made a reference to hold annotators to it.

    Remedy: look at the annotator's worst images in the report, then redo the work or train the annotator. If the result
    is uncertain, add images to the reference. If segments are gold's own, compare on images that gold and the annotator
    drew by themselves: a reference that was made by correcting the annotator's labels is no test of these.

    Options: `sure`: report only what is clearly below.
    Defaults: false, so that no annotator passes because you have few images.
    """
    assessment, panel = tables.assessment, tables.annotator_pairs
    if assessment is None or panel is None:
        return
    names = ("annotator", "category", "metric", "value", "low", "high", "bar", "clusters", "copied")
    copyists: set[int] = set()
    for annotator, category, metric, value, low, high, bar, clusters, copied in assessment.below.lines(*names):
        if copied > 0:
            if annotator not in copyists:
                copyists.add(annotator)
                name = panel.annotators[annotator]
                message = f"{name}: {copied:.0%} of the segments are gold's own, so the bar of {bar:.2f} says nothing"
                yield RowFinding(f"{message} about {name}", annotator=name)
            continue
        is_sure = low > bar if value > bar else high < bar  # a larger value is below the bar where less is better
        if sure and not is_sure:
            continue
        name = panel.annotators[annotator]
        category_name = panel.categories[category].name if category >= 0 else None
        ends = f" ({low:.2f} to {high:.2f})" if low == low else ""
        certainty = "clearly below" if is_sure else f"uncertain with {count_noun(clusters, 'image')}"
        if metric in WITHOUT_INTERVAL and not is_sure:
            certainty = f"how certain that is cannot be said of a mean of distances ({count_noun(clusters, 'image')})"
        measured = f"{metric} of {category_name or 'all'} {value:.2f}{ends}"
        message = f"{name}: {measured} against gold, the bar is {bar:.2f}: {certainty}"
        chapter: Chapter = "boundary_rule" if metric in (*DISTANCES, "nsd", "boundary_iou") else "definition"
        message += quote_guideline(tables.profile.taxonomy, category_name, chapter)
        yield RowFinding(message, annotator=name, category=category_name)
