"""SEG508 suspected-confusion: a pair of categories of which labels often give one where the other is to be seen."""

from collections.abc import Iterator

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Tables, rule


@rule("SEG508", "suspected-confusion", severity="warning", needs=("noise",), whole=True)
def suspected_confusion(tables: Tables, *, min_share: float = 0.1) -> Iterator[RowFinding]:
    """A pair of categories of which labels often give one where a model that has not seen them sees the other.

    Example:
        41 segments are labelled van and look like car, 3 the other way round; 22.0 were to be expected; in 20 images,
        p 0.0004

    A model confuses categories, too, but it does so whichever of both was given, and if it prefers one of them it
    prefers it to others as well. What such preferences do not explain, the labels do: annotators who call a car a van
    leave many vans that look like cars, and hardly any car that looks like a van. All pairs together are found by
    chance in one of twenty datasets, at most.

    Left alone: pairs with fewer than 8 segments, and those that are confused as often in both directions, which the
    model may do as well. Of two categories alone only what is very one-sided is told: nothing else is there to hold
    it against. Where the labels of three categories are confused in a circle, one pair is a guess.

    Why: a confusion that is always the same is learnt like the truth.
    Remedy: write into the guideline what tells the two apart, with pictures, and go through the segments (SEG503).
    Options: min_share, the least excess, as a share of all that are given one and look like the other.
    Defaults: 0.1, since with very many segments the smallest preference of a model for a pair is beyond chance.
    """
    if tables.suspected is None or tables.suspected.confusions is None:
        return
    names = ("given", "seen", "n", "reverse", "expected", "images", "p")
    for given, seen, n, reverse, expected, images, p in tables.suspected.confusions.lines(*names):
        if n - expected < min_share * (n + reverse):
            continue
        message = (
            f"{count_noun(n, 'segment')} labelled {given} look like {seen}, and {reverse:,} the other way round, where "
            f"{expected:.1f} were to be expected; in {count_noun(images, 'image')}, p {p:.2g}"
        )
        yield RowFinding(
            message + quote_guideline(tables.profile.taxonomy, given, "definition"), category=given, score=1 - p
        )
