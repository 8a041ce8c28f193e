"""Labels of Datumaro documents: to a taxonomy, whose ids are their positions, and back."""

from collections.abc import Sequence
from typing import Any

import msgspec

from segdata.core.finding import Defect
from segdata.core.taxonomy import Attribute, Category, Taxonomy
from segdata.formats.coco.categories import Categories
from segdata.formats.coco.document import Document, explain_validation_error
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names


class LabelItem(msgspec.Struct, gc=False):
    """An entry of `categories.label.labels`."""

    name: str
    parent: str | None = None
    attributes: list[str] = []


class _Labels(msgspec.Struct, frozen=True):
    labels: list[LabelItem] = []


class _Color(msgspec.Struct, gc=False):
    label_id: int
    r: int
    g: int
    b: int


class _Colormap(msgspec.Struct, frozen=True):
    colormap: list[_Color] = []


class _CategoriesItem(msgspec.Struct):
    label: _Labels = _Labels()
    mask: _Colormap = _Colormap()


def read_labels(document: Document) -> tuple[Category, ...]:
    """The categories of a document, ids counted from 0; what cannot be read is SEG004."""
    raw = (document.parts or {}).get("categories")
    if raw is None:
        if document.parts is not None:
            document.defects.append(Defect("SEG004", "'categories' is missing", document.name, "/"))
        return ()
    try:
        read = msgspec.json.decode(raw, type=_CategoriesItem)
    except msgspec.ValidationError as error:
        why = explain_validation_error(error)
        document.defects.append(Defect("SEG004", why.message, document.name, f"/categories{why.place}"))
        return ()
    colors = {each.label_id: (each.r, each.g, each.b) for each in read.mask.colormap}
    return tuple(
        Category(
            id=id_,
            name=label.name,
            kind=kind_from_name(label.name),
            color=_sound(colors.get(id_)),
            parent=label.parent or None,
            attributes=tuple(Attribute(name=name) for name in label.attributes),
        )
        for id_, label in enumerate(read.label.labels)
    )


def _sound(color: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    return color if color is not None and all(0 <= value <= 255 for value in color) else None


def united(documents: Sequence[Document], given: Taxonomy | None) -> tuple[CategoryNames, list[Categories]]:
    """The categories of all documents by name, and what each document's label ids mean among them.

    A label id that means another category than in the first document is SEG202; names decide.
    """
    labels = [read_labels(document) for document in documents]
    first = labels[0] if labels else ()
    known = {each.name for each in first}
    own = list(first)
    for document, each in zip(documents[1:], labels[1:], strict=True):
        crossed = [
            f"{here.id} is {here.name!r} here and {there.name!r} in {documents[0].name}"
            for here, there in zip(each, first, strict=False)
            if here.name != there.name
        ]
        if crossed:
            more = f" (and {len(crossed) - 3} more)" if len(crossed) > 3 else ""
            message = f"label ids differ: {', '.join(crossed[:3])}{more}; names decide"
            defect = Defect("SEG202", message, document.name, "/categories/label/labels", severity="warning")
            document.defects.append(defect)
        fresh = [category for category in each if category.name not in known]
        own += [msgspec.structs.replace(category, id=len(own) + k) for k, category in enumerate(fresh)]
        known |= {category.name for category in fresh}
    named = resolve_names({each.name for each in own}, given, Taxonomy(categories=tuple(own)))
    return named, [
        Categories(named.taxonomy, named.declared, {one.id: named.to[one.name] for one in each}, dict(named.unknown))
        for each in labels
    ]


def label_items(taxonomy: Taxonomy) -> dict[str, Any]:
    """The categories as Datumaro has them, in the order of the taxonomy."""
    labels = [
        {
            "name": each.name,
            "parent": each.parent or "",
            "attributes": sorted(attribute.name for attribute in each.attributes),
        }
        for each in taxonomy.categories
    ]
    colors = [
        {"label_id": id_, "r": each.rgb[0], "g": each.rgb[1], "b": each.rgb[2]}
        for id_, each in enumerate(taxonomy.categories)
        if each.rgb is not None
    ]
    items: dict[str, Any] = {"label": {"labels": labels, "label_groups": [], "attributes": []}}
    return items | ({"mask": {"colormap": colors}} if colors else {})
