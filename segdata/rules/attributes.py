"""SEG209 attributes: a required attribute missing, or a value that is not allowed."""

import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.guideline import quote_text
from segdata.core.profile import Profile
from segdata.core.rule import Tables, rule
from segdata.core.runs import Ints
from segdata.core.taxonomy import Attribute, Category


def _has_attributes(profile: Profile) -> bool:
    return any(category.attributes for category in profile.taxonomy.categories)


@rule("SEG209", "attributes", severity="error", needs=("attributes",), when=_has_attributes)
def attributes(tables: Tables) -> Iterator[RowFinding]:
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

    Why: training or selecting by an attribute silently loses these segments.

    Remedy: ask the annotators, or correct what the taxonomy requires.
    """
    segments = tables.segments
    for id_, category in tables.profile.taxonomy.by_id().items():
        rows = np.flatnonzero((segments["category_id"] == id_) & ~segments["iscrowd"])
        for attribute in category.attributes if len(rows) else ():
            stated = _said(tables, rows, attribute.name)
            if attribute.required:
                yield from _missing(tables, category, attribute, rows, np.setdiff1d(rows, stated[0]))
            if attribute.values:
                yield from _not_allowed(tables, attribute, *stated)


def _said(tables: Tables, mine: Ints, name: str) -> tuple[Ints, NDArray[np.object_]]:
    """The segments of `mine` with a value of this attribute, and the values, as JSON text."""
    table = tables.attributes
    rows = np.flatnonzero(table["name"] == name)
    owner, value = table["segment"][rows], table["value"][rows]
    good = np.isin(owner, mine) & (value != None) & (value != "null")  # noqa: E711  # an array's elements are compared
    return owner[good], value[good]


def _missing(
    tables: Tables, category: Category, attribute: Attribute, rows: Ints, silent: Ints
) -> Iterator[RowFinding]:
    if len(silent) == len(rows) > 1:
        pixels = int(tables.segments["area"][rows].sum())
        segments = count_noun(len(rows), "segment")
        message = f"none of {segments} has {attribute.name!r}, which is required{quote_text(attribute.definition)}"
        yield RowFinding(message, category=category.name, pixels=pixels, severity=_severity(tables))
        return
    yield from _each_annotation(
        tables, silent, f"without {attribute.name!r}, which is required{quote_text(attribute.definition)}"
    )


def _not_allowed(tables: Tables, attribute: Attribute, owner: Ints, value: NDArray[np.object_]) -> Iterator[RowFinding]:
    texts, text_number = np.unique(value.astype(str), return_inverse=True)
    for number, text in enumerate(texts.tolist()):
        if not _allowed(text, attribute):
            allowed = ", ".join(map(str, attribute.values[:6])) + (", …" if len(attribute.values) > 6 else "")
            message = f"with {attribute.name} {text}; allowed: {allowed}{quote_text(attribute.definition)}"
            yield from _each_annotation(tables, owner[text_number == number], message)


def _each_annotation(tables: Tables, rows: Ints, statement: str) -> Iterator[RowFinding]:
    """One finding for the segments of each annotation."""
    for group in tables.segments.take(rows).groups("annotation"):
        segments = rows[group]
        pixels = int(tables.segments["area"][segments].sum())
        message = f"{count_noun(len(segments), 'segment')} {statement}"
        yield RowFinding(message, segments=tuple(segments.tolist()), pixels=pixels, severity=_severity(tables))


def _severity(tables: Tables) -> Severity | None:
    return None if tables.profile.taxonomy_declared else "warning"


def _allowed(text: str, attribute: Attribute) -> bool:
    """Whether a value, as JSON text or as plain text, is one of those that are allowed."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    plain = value if isinstance(value, str) else json.dumps(value)
    return plain in {option if isinstance(option, str) else json.dumps(option) for option in attribute.values}
