"""SEG509 suspected-annotator: the labels of an annotator or a batch are wrong more often than others'."""

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG509", "suspected-annotator", severity="warning", needs=("noise",), whole=True)
def suspected_annotator(tables: Tables, *, min_difference: float = 0.02) -> Findings:
    """The labels of an annotator, or a batch, are probably wrong more often than others' on similar images.

    Example:
        labels by ben have an error probability 0.12 above that of others on similar images (0.05 overall);
        40 images compared, p 0.0005

    The rule compares, image by image, how probably labels are wrong, each less the mean of its category, so that no
    annotator is blamed for difficult categories. Names are permuted among images of the same camera, size and split,
    1999 times; images of one group or sequence count as one. By chance at most one in twenty datasets has a finding for
    any annotator. The rule compares batches in the same way: the months in which annotations were made, and those of
    `by: COLUMN` in the configuration.

    Not flagged: annotators who share no type of image with another, and sequences, each of which is one piece of
    evidence, and no two of which are alike. Annotators whose images are difficult for other reasons are flagged as
    well: look at some of their images first.

    Why: an error that one person makes everywhere is a large share of all errors, and you can correct it in one place.

    Remedy: look at the images of this annotator that are listed first, and have another annotator label a sample.
    `segdata agreement` then measures the difference.

    Options: `min_difference`: how much higher the error probability must be, from 0 to 1.
    Defaults: 0.02, one label in fifty more.
    """
    if tables.candidates is None or tables.candidates.doubted is None:
        return
    names = ("column", "name", "difference", "usual", "n", "p")
    for column, name, difference, usual, n, p in tables.candidates.doubted.lines(*names):
        if difference < min_difference:
            continue
        whose = f"by {name}" if column == "annotator" else f"of {column} {name}"
        message = (
            f"labels {whose} have an error probability {difference:.2f} above that of others on similar images "
            f"({usual:.2f} overall); {count_noun(n, 'image')} compared, p {p:.2g}"
        )
        yield RowFinding(message, annotator=name if column == "annotator" else None, score=1 - p)
