"""SEG409 unstable-annotator: an annotator disagrees with their own earlier work."""

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG409", "unstable-annotator", severity="warning", needs=("agreement",))
def unstable_annotator(tables: Tables, *, max_agreement: float = 0.7, min_images: int = 5) -> Findings:
    """An annotator disagrees with their own earlier work on the same images.

    Example:
        ben agrees with their own earlier work at 0.58 (0.51 to 0.66) in 12 images; different annotators agree at 0.80

    You need images that one annotator drew twice: two datasets under one name (`ben=first ben=second`), or repeated
    images in one dataset (`--pair content`). The agreement is Dice, macro by image and category. The rule flags an
    annotator if different annotators agree better on these same images than the annotator with themselves: the interval
    of the difference, from resamples of the images, is above 0. The interval is so wide that at most 1.7 in 100 panels
    in which all are equally steady have such a finding, a third of what one test may, as several tests name persons. If
    you have no other annotations of the images, the rule flags an annotator if the upper end of the agreement's own
    interval is below `max_agreement`.

    Why: annotators who disagree with themselves cannot agree with others; their work is partly chance.

    Remedy: have the images annotated again; look at pace and tools before the guideline.

    Options: `max_agreement`: from 0 to 1, if you have no other annotator. `min_images`: images that were drawn twice.
    Defaults: 0.7 is the Dice that Zijdenbos et al. (1994), IEEE Transactions on Medical Imaging 13(4), 716-724, call
    excellent agreement; below 5 images an interval says little.
    """
    assessment, panel = tables.assessment, tables.annotator_pairs
    if assessment is None or panel is None:
        return
    names = ("annotator", "value", "low", "high", "others", "behind_low", "clusters")
    for annotator, value, low, high, others, behind, clusters in assessment.repeats.lines(*names):
        if clusters < min_images or not (behind > 0 if others == others else high < max_agreement):
            continue
        name = panel.annotators[annotator]
        beside = f"; different annotators agree at {others:.2f}" if others == others else ""
        agreement = f"{value:.2f} ({low:.2f} to {high:.2f}) in {clusters:,} images"
        yield RowFinding(f"{name} agrees with their own earlier work at {agreement}{beside}", annotator=name)
