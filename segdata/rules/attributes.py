"""SEG209 attributes: a required attribute missing, or a value that is not allowed."""

import json

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.guideline import quote_text
from segdata.core.reductions import leading, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.taxonomy import Attribute, Category
from segdata.rules.shared import join_first, segments_finding


@rule(
    "SEG209",
    "attributes",
    severity="error",
    needs=("attributes",),
    when=lambda profile: any(category.attributes for category in profile.taxonomy.categories),
    habit="image",
    by_part=True,
)
def attributes(tables: Tables) -> Findings:
    """A segment lacks an attribute that its category requires, or has a value that is not allowed.

    Flagged, one has no value:
        aa.bb
        aa.bb

        a: car (driven = parked)
        b: car
        category: car (driven = parked moving)

    Flagged, one has a value that is not allowed:
        aa.bb
        aa.bb

        a: car (driven = parked)
        b: car (driven = flying)
        category: car (driven = parked moving)

    Fine:
        aa.bb
        aa.bb

        a: car (driven = parked)
        b: car (driven = moving)
        category: car (driven = parked moving)

    You get one finding for each attribute and category in an annotation, or for each value that is not allowed. If no
    segment of a category has the attribute, you get one finding for the dataset. Findings are errors if a person gave
    the taxonomy, and warnings if it comes from the data. A null is no value. A number, true or false may also be given
    as text, since some formats store only text. Crowds need no attributes.

    Why: you silently lose these segments when you train or select by an attribute.

    Remedy: ask your annotators, or correct what the taxonomy requires.
    """
    segments = tables.segments
    for id_, category in tables.profile.taxonomy.by_id().items():
        rows = np.flatnonzero((segments["category_id"] == id_) & ~segments["iscrowd"])
        for attribute in category.attributes:
            owner, value = _stated_values(tables, rows, attribute.name)
            if attribute.required:
                yield from _missing(tables, category, attribute, rows, np.setdiff1d(rows, owner))
            if attribute.values:
                yield from _not_allowed(tables, attribute, owner, value)


def _stated_values(tables: Tables, mine: Ints, name: str) -> tuple[Ints, NDArray[np.object_]]:
    """The segments of `mine` with a value of this attribute, and the values, as JSON text."""
    table = tables.attributes
    rows = np.flatnonzero(table["name"] == name)
    owner, value = table["segment"][rows], table["value"][rows]
    good = np.isin(owner, mine) & (value != None) & (value != "null")  # noqa: E711  # an array's elements are compared
    return owner[good], value[good]


def _missing(tables: Tables, category: Category, attribute: Attribute, rows: Ints, silent: Ints) -> Findings:
    statement = f"{attribute.name!r}, which is required{quote_text(attribute.definition)}"
    sums = total(tables, segments=len(rows), silent=len(silent), pixels=int(tables.segments["area"][rows].sum()))
    if sums["silent"] == sums["segments"] > 1:
        message = f"none of {count_noun(sums['segments'], 'segment')} has {statement}"
        if leading(tables) is not None:
            yield RowFinding(message, category=category.name, pixels=sums["pixels"], severity=_severity(tables))
    else:
        yield from _each_annotation(tables, silent, f"without {statement}")


def _not_allowed(tables: Tables, attribute: Attribute, owner: Ints, value: NDArray[np.object_]) -> Findings:
    texts, text_number = np.unique(value.astype(str), return_inverse=True)
    for number, text in enumerate(texts.tolist()):
        if not _is_allowed(text, attribute):
            allowed = join_first(attribute.values, 6)
            message = f"with {attribute.name} {text}; allowed: {allowed}{quote_text(attribute.definition)}"
            yield from _each_annotation(tables, owner[text_number == number], message)


def _each_annotation(tables: Tables, rows: Ints, statement: str) -> Findings:
    """One finding for the segments of each annotation."""
    for group in tables.segments.take(rows).groups("annotation"):
        message = f"{count_noun(len(group), 'segment')} {statement}"
        yield segments_finding(tables, message, rows[group], severity=_severity(tables))


def _severity(tables: Tables) -> Severity | None:
    return None if tables.profile.taxonomy_declared else "warning"


def _is_allowed(text: str, attribute: Attribute) -> bool:
    """Whether a value, as JSON text or as plain text, is one of those that are allowed."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    plain = value if isinstance(value, str) else json.dumps(value)
    return plain in {option if isinstance(option, str) else json.dumps(option) for option in attribute.values}
