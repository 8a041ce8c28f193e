"""SEG406 annotator-bias: an annotator who misses, adds, confuses or draws larger than the others do."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Tables, rule

_VERBS = {"missed": "misses", "extra": "adds", "confused": "calls otherwise"}


@rule("SEG406", "annotator-bias", severity="warning", needs=("agreement",))
def annotator_bias(tables: Tables, *, min_share: float = 0.05, min_offset: float = 1.0) -> Iterator[RowFinding]:
    """An annotator who does something more often than the others do on the same images, more than chance explains.

    Example:
        ben misses 31 % of a (others 6 %) in 40 images, p 0.0002
        carl draws a 2.1 px larger (1.8 to 2.4) in 40 images, p 0.0001

    Each is held against the others of the same images. What more than half of them have and this annotator has not, is
    missed; what fewer than half of them have, is extra; what more than half of them call otherwise, is confused; the
    offset is by how many pixels the boundary is drawn further out than the middle annotator draws it. Names are
    exchanged at random within images 9,999 times or more; of all cells (annotator, category, kind) those count that
    hold the false discovery rate of 5 % (Benjamini and Hochberg, 1995). Images of one sequence, patient or scene count
    as one. A gold standard has one voice among the others here: what everybody reaches against it alone is SEG407's.

    Left alone: two annotators, of whom none can be told to be the one who deviates; the gold standard; cells with fewer
    than 8 images, or fewer than it takes for the smallest p to count among so many cells.

    Why: an error that is always the same does not average out: a model learns it.
    Remedy: show the annotator the images and the guideline's sentence; correct what is delivered.
    Options: min_share, by how much more often (0 to 1) than the others. min_offset, pixels by which larger or smaller.
    Defaults: METHODS of agreement studies ask for an effect beside the p-value: 5 points, and 1 px, the least that a
    correction moves.
    """
    judged, opposed = tables.judged, tables.opposed
    if judged is None or opposed is None:
        return
    names = ("annotator", "category", "kind", "value", "low", "high", "others", "clusters", "p", "found")
    for annotator, category, kind, value, low, high, others, clusters, p, found in judged.biases.lines(*names):
        large = abs(value) >= min_offset if kind == "offset" else value - others >= min_share
        if not (found and large) or annotator == judged.gold:
            continue
        who, what = opposed.annotators[annotator], opposed.categories[category].name
        if kind == "offset":
            way = "larger" if value > 0 else "smaller"
            ends = sorted((abs(low), abs(high)))
            said = f"draws {what} {abs(value):.1f} px {way} ({ends[0]:.1f} to {ends[1]:.1f})"
            quote = quote_guideline(tables.profile.taxonomy, what, "boundary_rule")
        else:
            said = f"{_VERBS[kind]} {value:.0%} of {what} (others {others:.0%})"
            quote = quote_guideline(tables.profile.taxonomy, what, "definition")
        message = f"{who} {said} in {clusters:,} images, p {p:.2g}{quote}"
        yield RowFinding(message, annotator=who, category=what, kind=kind)
