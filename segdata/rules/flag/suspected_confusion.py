"""SEG508 suspected-confusion: labels often give one category where the model predicts another."""

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule


@rule("SEG508", "suspected-confusion", severity="warning", needs=("noise",), whole=True)
def suspected_confusion(tables: Tables, *, min_share: float = 0.1) -> Findings:
    """Labels often give one category where a model that has not seen them predicts another.

    Example:
        41 segments labelled van look like car, and 3 the reverse; 22.0 were expected; in 20 images, p 0.0004

    A model confuses categories as well, but in both directions, and if it prefers one of the two it also prefers it to
    others. Labels explain what such preferences do not: annotators who label cars as vans leave many vans that look
    like cars, and hardly any car that looks like a van. By chance at most one in twenty datasets has a finding for any
    pair.

    Not flagged: pairs with fewer than 8 segments, and pairs that are confused as often in both directions, since the
    model may do that too. With only two categories the rule reports only what is very one-sided, because nothing else
    is there to compare with. If the labels of three categories are confused in a circle, the reported pair is a guess.

    Why: your model learns a constant confusion like the truth.

    Remedy: write into the guideline what tells the two apart, with images, and check the segments (SEG503).

    Options: `min_share`: the least excess, as a share of all segments that have one of the two and look like the other.
    Defaults: 0.1, because with very many segments the smallest preference of a model for a pair is beyond chance.
    """
    if tables.candidates is None or tables.candidates.confusions is None:
        return
    names = ("given", "seen", "n", "reverse", "expected", "images", "p")
    for labelled, predicted, n, reverse, expected, images, p in tables.candidates.confusions.lines(*names):
        if n - expected < min_share * (n + reverse):
            continue
        message = (
            f"{count_noun(n, 'segment')} labelled {labelled} {'looks' if n == 1 else 'look'} like {predicted}, "
            f"and {reverse:,} the reverse; {expected:.1f} were expected; in {count_noun(images, 'image')}, p {p:.2g}"
        )
        message += quote_guideline(tables.profile.taxonomy, labelled, "definition")
        yield RowFinding(message, category=labelled, score=1 - p)
