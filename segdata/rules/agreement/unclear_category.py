"""SEG408 unclear-category: all annotators disagree on a category."""

from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule


@rule("SEG408", "unclear-category", severity="warning", needs=("agreement",))
def unclear_category(tables: Tables, *, max_agreement: float = 0.6, min_images: int = 8) -> Findings:
    """All annotators disagree on a category: the guideline is unclear, not a person.

    Example:
        a: agreement 0.41 (0.35 to 0.48) in 40 images, and 0.44 without ben, who lowers it most

    The agreement of a category is the F1 of finding its segments (things) or Dice (stuff, semantic data), the mean over
    all pairs of annotators. It must also be low without the annotator who lowers it most; if it is not, SEG406 names
    that person. You need three annotators.

    Why: annotators cannot draw well what you have not defined.

    Remedy: write the definition and the boundary rule, with images of the disputed cases, and annotate again.

    Options: `max_agreement`: the upper end of the 95 % interval below which a category is flagged (0 to 1).
    `min_images`: images that have it.
    Defaults: 0.6 is where Landis and Koch (1977), Biometrics 33(1), 159-174, end "moderate" agreement; 8 images as in
    SEG406.
    """
    assessment, panel = tables.assessment, tables.annotator_pairs
    if assessment is None or panel is None:
        return
    names = ("category", "value", "low", "high", "best", "without", "clusters")
    for category, value, low, high, best, without, clusters in assessment.unclear.lines(*names):
        if not (high < max_agreement and best < max_agreement and clusters >= min_images):
            continue
        category_name = panel.categories[category].name
        message = (
            f"agreement on {category_name} {value:.2f} ({low:.2f} to {high:.2f}) in {clusters:,} images, "
            f"and {best:.2f} without {panel.annotators[without]}, who lowers it most"
        )
        message += quote_guideline(tables.profile.taxonomy, category_name, "definition")
        yield RowFinding(message, category=category_name)
