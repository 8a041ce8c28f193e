"""SEG406 annotator-bias: an annotator misses, adds, confuses or enlarges more than the others."""

from segdata.core.finding import RowFinding
from segdata.core.guideline import Chapter, quote_guideline
from segdata.core.rule import Findings, Tables, rule

_ERRORS = {
    ("missed", False): "misses {share} of {category}",
    ("missed", True): "joins {share} of {category} with its neighbours",
    ("extra", False): "adds {share} of {category}",
    ("extra", True): "splits {category} differently from most others in {share} of its segments",
    ("confused", False): "labels {share} of {category} as another category",
}


@rule("SEG406", "annotator-bias", severity="warning", needs=("agreement",))
def annotator_bias(tables: Tables, *, min_share: float = 0.05, min_offset: float = 1.0) -> Findings:
    """An annotator makes one kind of error more often than the others on the same images, beyond chance.

    Example:
        ben misses 31 % of a (others 6 %) in 40 images, p 0.0002
        carl draws a 2.1 px larger (1.8 to 2.4) in 40 images, p 0.0001

    The rule compares each annotator with the others on the same images. A segment that more than half of the others
    have and this annotator lacks is missed. One that fewer than half of the others have is extra. One that more than
    half of the others label differently is confused. The offset is the distance in pixels by which the boundary lies
    outside that of the middle annotator. Names are permuted within images 9,999 times or more, and a cell (annotator,
    category, kind) counts if chance names anybody in at most 5 % of campaigns (Holm, 1979, over annotators; of what is
    said about one who is named at most that share is false on average, Benjamini and Hochberg, 1995). Images of one
    sequence, patient or scene count as one. A gold standard has one vote among the others here; SEG407 reports errors
    that annotators make against it alone.

    Things that only end elsewhere are matched, however small they are. In categories that are not counted one by one,
    the share that the annotator's offset explains (its pixels times the length of the outline) is no miss, extra or
    confusion. Where more than half of the missed things lie in other segments of the annotator, of the same category,
    the finding says that the annotator joins them; where extra ones lie in other segments of most others, that the
    annotator splits the category differently.

    Not flagged: two annotators, since the data cannot show which of them deviates; the gold standard; cells with fewer
    than 8 images, or with too few images for the smallest possible p to count among so many cells.

    Why: an error that is always the same does not average out. Your model learns it.

    Remedy: show the annotator the images and the sentence in the guideline, and correct the delivered labels.

    Options: `min_share`: the least difference to the others' share, from 0 to 1. `min_offset`: the least offset in
    pixels, larger or smaller.
    Defaults: methods for agreement studies ask for an effect beside the p-value. The effect here is 5 points, or 1 px,
    the smallest distance that a correction moves.
    """
    assessment, panel = tables.assessment, tables.annotator_pairs
    if assessment is None or panel is None:
        return
    names = (
        "annotator",
        "category",
        "kind",
        "value",
        "low",
        "high",
        "others",
        "clusters",
        "p",
        "found",
        "outline",
        "is_joined",
    )
    lines = assessment.biases.lines(*names)
    for annotator, category, kind, value, low, high, others, clusters, p, is_significant, outline, is_joined in lines:
        large = abs(value) >= min_offset if kind == "offset" else value - others - outline >= min_share
        if not (is_significant and large) or annotator == assessment.gold:
            continue
        name, category_name = panel.annotators[annotator], panel.categories[category].name
        if kind == "offset":
            direction = "larger" if value > 0 else "smaller"
            ends = sorted((abs(low), abs(high)))
            statement = f"draws {category_name} {abs(value):.1f} px {direction} ({ends[0]:.1f} to {ends[1]:.1f})"
        else:
            error = _ERRORS[kind, is_joined].format(share=f"{value:.0%}", category=category_name)
            statement = f"{error} (others {others:.0%})"
        chapter: Chapter = "boundary_rule" if kind == "offset" else "definition"
        quote = quote_guideline(tables.profile.taxonomy, category_name, chapter)
        message = f"{name} {statement} in {clusters:,} images, p {p:.2g}{quote}"
        yield RowFinding(message, annotator=name, category=category_name, kind=kind)
