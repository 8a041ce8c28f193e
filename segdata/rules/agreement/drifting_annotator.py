"""SEG415 drifting-annotator: what an annotator misses, adds, confuses or draws larger changes with time."""

from segdata.core.finding import RowFinding
from segdata.core.guideline import Chapter, quote_guideline
from segdata.core.rule import Findings, Tables, rule

_ERRORS = {"missed": "misses", "extra": "adds", "confused": "labels as another category"}


@rule("SEG415", "drifting-annotator", severity="warning", needs=("agreement",))
def drifting_annotator(tables: Tables, *, min_change: float = 0.05, min_offset: float = 1.0) -> Findings:
    """An annotator's differences from the others change with time, beyond chance.

    Example:
        carl draws everything 2.3 px larger (1.8 to 2.8) on 2026-06-28 than on 2026-01-05, compared with the others

    The rule compares misses, extras, confusions and offsets of each annotator with those of the others in the same
    images, so that a month of hard images is no drift. It fits a line over the days on which the annotator worked. Days
    are permuted among the annotator's images 9,999 times, for all kinds and categories together; chance names anybody
    in at most 1.7 % of campaigns. With each of the others left out at least half of the change must remain, and be
    beyond chance by itself, since all others seem to drift beside one who does. If all categories drift together, there
    is one finding.
    Of categories that are not counted one by one, a miss, an extra or a confusion that the drift of the offset
    explains is none.

    Not flagged: annotations without dates (`created`); two annotators, since the data cannot show who changes;
    annotators with fewer than 8 images, sequences or patients that two others annotated as well.

    Why: labels of the first month and of the last one follow different rules, and your model learns the mean.

    Remedy: show the annotator images of both ends, and the boundary rule or the definition; have the deviating months
    checked.

    Options: `min_change`: the least change of a share, from 0 to 1. `min_offset`: the least change of the offset in
    pixels.
    Defaults: as in SEG406.
    """
    assessment, panel = tables.assessment, tables.annotator_pairs
    if assessment is None or panel is None or not len(assessment.drifts):
        return
    names = ("annotator", "category", "kind", "change", "low", "high", "p", "stands", "clusters", "first", "last")
    lines = list(assessment.drifts.lines(*names, "outline"))
    of_all = {(line[0], line[2]) for line in lines if line[1] == -1 and line[7]}
    for annotator, category, kind, change, low, high, p, stands, clusters, first, last, outline in lines:
        large = abs(change) >= min_offset if kind == "offset" else abs(change) - outline >= min_change
        if not (stands and large) or annotator == assessment.gold or (category >= 0 and (annotator, kind) in of_all):
            continue
        name = panel.annotators[annotator]
        what = "everything" if category < 0 else panel.categories[category].name
        ends = sorted((abs(low), abs(high))) if low * high > 0 else [0.0, max(abs(low), abs(high))]
        if kind == "offset":
            amount, between = f"{abs(change):.1f} px", f"({ends[0]:.1f} to {ends[1]:.1f})"
            statement = f"draws {what} {amount} {'larger' if change > 0 else 'smaller'} {between}"
        else:
            amount, between = f"{100 * abs(change):.0f} points", f"({100 * ends[0]:.0f} to {100 * ends[1]:.0f})"
            statement = f"{_ERRORS[kind]} {amount} {'more' if change > 0 else 'less'} of {what} {between}"
        chapter: Chapter = "boundary_rule" if kind == "offset" else "definition"
        quote = "" if category < 0 else quote_guideline(tables.profile.taxonomy, what, chapter)
        message = f"{name} {statement} on {last} than on {first}, compared with the others in {clusters:,} images, "
        yield RowFinding(
            f"{message}p {p:.2g}{quote}", annotator=name, category=None if category < 0 else what, kind=kind
        )
