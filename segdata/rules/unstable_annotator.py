"""SEG409 unstable-annotator: an annotator who disagrees with their own earlier work."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG409", "unstable-annotator", severity="warning", needs=("agreement",))
def unstable_annotator(tables: Tables, *, max_agreement: float = 0.7, min_images: int = 5) -> Iterator[RowFinding]:
    """An annotator who does not agree with their own earlier work on the same images.

    Example:
        ben agrees with own earlier work at 0.58 (0.51 to 0.66) in 12 images; different annotators agree at 0.80

    Needs images that one annotator drew twice: two datasets under one name (`ben=first ben=second`), or repeated images
    in one dataset (`--pair content`). The agreement is Dice, macro by image and category. It is told where different
    annotators agree better on these same images than the annotator with themselves: the interval of the difference,
    from resamples of the images, is above 0. It is so wide that of panels in which all are as steady as each other at
    most 5 in 100 have such a finding. Where nobody else annotated the images it is told where the upper end of the
    agreement's own interval is below `max_agreement`.

    Why: who does not agree with themselves cannot agree with others; what they deliver is partly chance.
    Remedy: let the images be annotated anew; look at pace and tools before the guideline.
    Options: max_agreement (0 to 1) where there is nobody else. min_images that were drawn twice.
    Defaults: 0.7 is the Dice that Zijdenbos et al. (1994), IEEE Transactions on Medical Imaging 13(4), 716-724, call
    excellent agreement; below 5 images an interval says little.
    """
    judged, opposed = tables.judged, tables.opposed
    if judged is None or opposed is None:
        return
    names = ("annotator", "value", "low", "high", "others", "behind_low", "clusters")
    for annotator, value, low, high, others, behind, clusters in judged.repeats.lines(*names):
        if clusters < min_images or not (behind > 0 if others == others else high < max_agreement):
            continue
        who = opposed.annotators[annotator]
        beside = f"; different annotators agree at {others:.2f}" if others == others else ""
        message = f"{who} agrees with own earlier work at {value:.2f} ({low:.2f} to {high:.2f}) in {clusters:,} images"
        yield RowFinding(message + beside, annotator=who)
