"""SEG509 suspected-annotator: an annotator, or a batch, whose labels are doubted more than those of others."""

from collections.abc import Iterator

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG509", "suspected-annotator", severity="warning", needs=("noise",), whole=True)
def suspected_annotator(tables: Tables, *, min_difference: float = 0.02) -> Iterator[RowFinding]:
    """An annotator, or a batch, whose labels are doubted more than others' on images of the same sort.

    Example:
        labels by ben are wrong with a probability that is 0.12 higher than that of others on images of the same sort
        (0.05 for all); 40 images compared, p 0.0005

    Compared is, image by image, how probably labels are wrong, each less what is usual for its category, so that
    nobody loses for having been given what is hard. Names are exchanged at random among images of the same camera,
    size and split, 1999 times; images of one group or sequence count as one. All annotators together are found by
    chance in one of twenty datasets, at most. Batches are compared likewise: the months in which annotations were made,
    and those of `by: COLUMN` in the configuration.

    Left alone: annotators who have no sort of image in common with another, and sequences, each of which is one piece
    of evidence, and no two of which are alike. Who was given images that are hard for other reasons than these is
    found as well: look at some of them first.

    Why: what one person does wrong everywhere is a large share of all errors, and mended at one place.
    Remedy: look at the images of this annotator that are told first, and let a sample be annotated by somebody else;
    `segdata agreement` then says what the difference is.
    Options: min_difference, by how much more probably an error, from 0 to 1.
    Defaults: 0.02: one label in fifty more.
    """
    if tables.suspected is None or tables.suspected.doubted is None:
        return
    names = ("column", "name", "difference", "usual", "n", "p")
    for column, name, difference, usual, n, p in tables.suspected.doubted.lines(*names):
        if difference < min_difference:
            continue
        whose = f"by {name}" if column == "annotator" else f"of {column} {name}"
        message = (
            f"labels {whose} are wrong with a probability that is {difference:.2f} higher than that of others on "
            f"images of the same sort ({usual:.2f} for all); {count_noun(n, 'image')} compared, p {p:.2g}"
        )
        yield RowFinding(message, annotator=name if column == "annotator" else None, score=1 - p)
