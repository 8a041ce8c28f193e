"""SEG414 copied-work: two annotators have the same segments, pixel for pixel."""

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG414", "copied-work", severity="warning", needs=("agreement",))
def copied_work(tables: Tables, *, min_share: float = 0.1) -> Findings:
    """Two annotators have more segments alike, pixel for pixel, than others who draw by themselves.

    Example:
        94 % of the segments of anna and ben are identical in 30 images (99 % nearly), others 1 %

    The rule compares the share of segments that two annotators have alike with what other pairs of the campaign reach
    (their lower quartile; 5 % if there is no other pair). Alike are segments with the same pixels, and those whose
    outlines are 0.1 px apart on average. The interval of the share, over images, must be 10 points above that, and a
    tenth of the images must have a third of their segments alike. In images where the two have more than a third of
    their segments alike they count as one annotator: in majorities, in the agreement of all, and against others.

    Not flagged: segments below 64 px and rectangles, which two annotators draw alike by chance; segments of two persons
    that equal those of a model that is compared, too; two passes of one person; campaigns in which other pairs have 10
    % alike or more, since all began with the same labels there.

    Why: a copy agrees with its original whatever it shows. It looks like the best pair of the campaign, and outvotes
    those who drew.

    Remedy: ask both how the images were made, and have some drawn again. If both kept a draft, compare it as a model
    (`--model`).

    Options: `min_share`: the least share alike.
    Defaults: 0.1, from which copies matter. Simulated annotators and real ones who drew by themselves have up to 5 %
    alike; see the results of agreement.
    """
    assessment, panel = tables.assessment, tables.annotator_pairs
    if assessment is None or panel is None:
        return
    names = ("a", "b", "identical", "alike", "usual", "images", "model", "stands")
    for a, b, identical, alike, usual, images, is_model, stands in assessment.copies.lines(*names):
        if not stands or is_model or alike < min_share:
            continue
        who = f"{panel.annotators[a]} and {panel.annotators[b]}"
        nearly = f" ({alike:.0%} nearly)" if alike - identical >= 0.005 else ""
        others = "two who draw by themselves" if len(assessment.copies) == 1 else "others"
        message = f"{identical:.0%} of the segments of {who} are identical in {images:,} images{nearly}, {others} "
        yield RowFinding(f"{message}{usual:.0%}")
