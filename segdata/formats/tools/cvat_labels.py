"""Labels of CVAT: what the meta data of a file say about categories and the types of their attributes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Attribute, Category, Taxonomy, as_rgb
from segdata.formats.shared.taxonomies import kind_from_name

# What labels of other types are drawn with has no area, or is no drawing at all.
_WITH_AREA = frozenset({"", "any", "polygon", "mask", "rectangle", "ellipse"})


@dataclass(slots=True)
class Labels:
    """The labels of some files.

    Attributes
    ----------
    categories : those that segments may have, in order, without ids
    types : (label, attribute) -> input_type
    """

    categories: dict[str, Category] = field(default_factory=dict)
    types: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, root: Element) -> None:
        """Add what a file says."""
        for label in root.iterfind("./meta/*/labels/label"):
            name = label.findtext("name") or ""
            attributes = list(label.iterfind("./attributes/attribute"))
            for each in attributes:
                self.types[name, each.findtext("name") or ""] = each.findtext("input_type") or "text"
            if (label.findtext("type") or "") in _WITH_AREA and label.find("parent") is None and name:
                self.categories.setdefault(name, _category(name, label, attributes))

    def taxonomy(self) -> Taxonomy:
        """The categories with ids from 1, in the order of the labels."""
        return Taxonomy(
            categories=tuple(
                msgspec.structs.replace(each, id=id_) for id_, each in enumerate(self.categories.values(), 1)
            )
        )


def _category(name: str, label: Element, attributes: Iterable[Element]) -> Category:
    """A label as a category, its attributes with the values to choose from."""
    said = tuple(
        Attribute(name=each.findtext("name") or "", values=_choices(each))
        for each in attributes
        if each.findtext("name")
    )
    return Category(id=0, name=name, kind=kind_from_name(name), color=_color(label.findtext("color")), attributes=said)


def _choices(attribute: Element) -> tuple[str, ...]:
    """The values of an attribute that has a list of them; they are on lines of their own."""
    listed = attribute.findtext("input_type") in ("select", "radio")
    return tuple((attribute.findtext("values") or "").split("\n")) if listed else ()


def _color(text: str | None) -> str | None:
    try:
        return text if text and as_rgb(text) else None
    except SegdataError:
        return None
