"""SEG204 unused-category: a category never occurs."""

from segdata.core.finding import RowFinding, Severity
from segdata.core.reductions import leading, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.taxonomy import STAND_IN


@rule("SEG204", "unused-category", severity="warning", needs=(), whole=True, by_part=True, habit="category")
def unused_category(tables: Tables, *, min_dataset: int = 10) -> Findings:
    """No segment has a category of the taxonomy (a missing class).

    Flagged:
        aa..
        aa..

        a: car
        category: car
        category: tram

    Fine:
        aa..
        aa..

        a: car
        category: vehicle
        category: car (parent vehicle)
        category: ignored (void)

    Parents of other categories, void, and the stand-in for labels without a category need no segments. If your data
    have no segment at all, nothing is flagged, nor if the categories are a guess (SEG219).

    Why: your model gets an output that it never learns, and averages over categories count an empty one.

    Remedy: annotate it, or take it out of the taxonomy.

    Options: `min_dataset`: images that a dataset needs for a warning. A smaller one is a sample: you get an info.
    Defaults: a category that is in a quarter of all images is missing in one of 18 samples of ten.
    """
    categories = tables.profile.taxonomy.categories
    used = set(sum_by(tables, {"category": tables.segments["category_id"]}, {})["category"].tolist())
    parents = {entry.parent for entry in categories if entry.parent != entry.name}
    whole = leading(tables)
    if not used or whole is None or tables.profile.provisional is not None:
        return
    severity: Severity | None = "info" if len(whole.images) < min_dataset else None
    named: set[str] = set()
    for category in categories:
        is_repeated = category.name in named  # SEG208 tells categories of one name
        named.add(category.name)
        if is_repeated or category.definition == STAND_IN:  # labels without a category are told, and may be unreadable
            continue
        if category.id not in used and category.kind != "void" and category.name not in parents:
            message = f"no segment is of category {category.name!r} (id {category.id})"
            yield RowFinding(message, category=category.name, pixels=0, severity=severity)
