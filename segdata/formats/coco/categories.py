"""Categories of COCO documents: to a taxonomy and back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.format import LossCounter
from segdata.core.taxonomy import Category, Id, Taxonomy, as_rgb
from segdata.formats.coco.document import Document, Items, Raw, decode_items
from segdata.formats.shared.taxonomies import aliases_used, name_metadata


class CategoryItem(msgspec.Struct, gc=False):
    """An entry of `categories`. Other keys (keypoints, synsets) are kept as they are."""

    id: Id
    name: str | None = None
    supercategory: Any = None  # Any: a hint that is taken only where it is a text
    isthing: Any = None
    color: Any = None
    definition: Any = msgspec.field(default=None, name="def")


class StrictCategoryItem(CategoryItem, gc=False, forbid_unknown_fields=True):
    """An entry of `categories` without further keys."""


_KNOWN_KEYS = frozenset(CategoryItem.__struct_encode_fields__)
CATEGORY_KEYS = "category_keys"  # of the profile's metadata: what entries say beyond that, by category id


@dataclass(frozen=True, slots=True)
class Categories:
    """What a document's categories are in the dataset's taxonomy.

    Attributes
    ----------
    taxonomy : the user's, or made from the document
    declared : the taxonomy is the user's
    to : id in the document -> id in the taxonomy, or, for a category that the taxonomy lacks, a free id
    unknown : those free ids -> the document's names
    aliases : names in the document that are old ones in the taxonomy -> id in the taxonomy
    listed : the document has a list of categories at all
    keys : what entries say beyond what a taxonomy holds: id in the taxonomy -> key -> JSON text
    """

    taxonomy: Taxonomy
    declared: bool
    to: dict[int, int] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    listed: bool = True
    keys: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, str]:
        """For the profile, as JSON: names that the taxonomy lacks or calls otherwise, and the further keys of all."""
        said = name_metadata(self.unknown, self.aliases)
        if self.keys:
            raws = {str(id_): {key: Raw(text) for key, text in keys.items()} for id_, keys in self.keys.items()}
            said[CATEGORY_KEYS] = msgspec.json.encode(raws).decode()
        return said


def read_categories(document: Document, given: Taxonomy | None) -> Categories:
    """The categories of a document, mapped to the user's taxonomy where one is `given`: by name, alias, then id."""
    read: Items[CategoryItem] = decode_items(document, "categories", StrictCategoryItem, CategoryItem)
    groups = {str(item.supercategory) for item in read.items if item.supercategory != item.name}
    first: dict[int, CategoryItem] = {}
    made, keys = [], {}
    for i, (item, extra) in enumerate(zip(read.items, read.extras(range(len(read.items)), _KNOWN_KEYS), strict=True)):
        place = read.place(i)
        if item.id in first:
            one = _name(first[item.id])
            message = f"category id {item.id} is here twice ({one!r} and {_name(item)!r}); the first counts"
            document.defects.append(Defect("SEG008", message, document.name, place, category=one))
            continue
        first[item.id] = item
        if extra:
            keys[item.id] = extra
        if given is None:
            made.append(_category(item, place, document, groups))
    listed = "categories" in (document.parts or {})
    if given is None:
        taxonomy = Taxonomy(categories=tuple(made))
        return Categories(taxonomy, False, {id_: id_ for id_ in first}, listed=listed, keys=keys)
    _report_crossed(document, first, given)
    mapped = _mapped(first, given, listed)
    return replace(mapped, keys={mapped.to[id_]: extra for id_, extra in keys.items()})


def _report_crossed(document: Document, first: dict[int, CategoryItem], given: Taxonomy) -> None:
    """SEG202 where an id means one category here and another of the document's categories in the taxonomy."""
    by_id, here = given.by_id(), {item.name for item in first.values()}
    crossed = [
        f"{id_} is {_name(item)!r} here and {by_id[id_].name!r} in the taxonomy"
        for id_, item in first.items()
        if id_ in by_id and by_id[id_].name != item.name and by_id[id_].name in here and item.name in given.by_name()
    ]
    if crossed:
        more = f" (and {len(crossed) - 3} more)" if len(crossed) > 3 else ""
        message = f"ids of categories are exchanged: {', '.join(crossed[:3])}{more}; names decide"
        document.defects.append(Defect("SEG202", message, document.name, "/categories", severity="warning"))


def _mapped(first: dict[int, CategoryItem], given: Taxonomy, listed: bool) -> Categories:
    by_name, by_id = given.by_name(), given.by_id()
    if not listed:
        return Categories(given, True, {id_: id_ for id_ in by_id})
    to, unknown = {}, {}
    for id_, item in first.items():
        known = by_id.get(id_) if item.name is None else by_name.get(item.name)
        if known is not None:
            to[id_] = known.id
    taken = set(by_id)
    for id_, item in first.items():
        if id_ not in to:
            free = id_ if id_ not in taken else max(taken | set(first), default=0) + 1
            taken.add(free)
            to[id_] = free
            unknown[free] = _name(item)
    aliases = aliases_used((item.name for item in first.values() if item.name is not None), given)
    return Categories(given, True, to, unknown, aliases)


def _name(item: CategoryItem) -> str:
    return str(item.id) if item.name is None else item.name


def _category(item: CategoryItem, place: str, document: Document, groups: set[str]) -> Category:
    if item.name is None:
        message = f"category {item.id} has no name; it is called {_name(item)!r}"
        document.defects.append(Defect("SEG004", message, document.name, f"{place}/name"))
    color = None
    if item.color is not None:
        try:
            color = as_rgb(tuple(item.color) if isinstance(item.color, list) else str(item.color))
        except (SegdataError, TypeError):
            message = f"colour {item.color!r} is not [r, g, b] from 0 to 255; ignored"
            document.defects.append(Defect("SEG004", message, document.name, f"{place}/color", category=_name(item)))
    parent = item.supercategory if isinstance(item.supercategory, str) else None
    return Category(
        id=item.id,
        name=_name(item),
        kind="stuff" if item.isthing in (0, False) else "thing",
        color=color,
        # COCO repeats the name where a category has no group; it may also bear the name of its group.
        parent=parent if parent and (parent != _name(item) or parent in groups) else None,
        definition=item.definition if isinstance(item.definition, str) else None,
    )


def category_items(taxonomy: Taxonomy, metadata: Mapping[str, str]) -> list[dict[str, object]]:
    """The categories as COCO has them, those of kind void left out: it has no such kind.

    `isthing` and `color` are COCO panoptic's keys, `def` is LVIS'; all files carry them, so that stuff stays stuff.
    `metadata` is the profile's, with the further keys that a document had.
    """
    items = []
    further = category_keys(metadata)
    for category in taxonomy.categories:
        if category.kind != "void":
            item: dict[str, object] = {"id": category.id, "name": category.name}
            item["supercategory"] = category.parent or category.name
            item["isthing"] = int(category.kind == "thing")
            if category.rgb is not None:
                item["color"] = category.rgb
            if category.definition is not None:
                item["def"] = category.definition
            items.append(further.get(str(category.id), {}) | item)
    return items


def category_keys(metadata: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What documents say of categories beyond what a taxonomy holds: category id -> key -> value."""
    try:
        return msgspec.json.decode(metadata.get(CATEGORY_KEYS, "{}"), type=dict[str, dict[str, Any]])
    except msgspec.MsgspecError:  # somebody edited dataset.yaml
        return {}


def count_category_losses(taxonomy: Taxonomy, losses: LossCounter) -> None:
    """Count what `category_items` leaves out."""
    kept = {"id", "name", "kind", "color", "parent", "definition"}
    lost = [each.name for each in taxonomy.categories if each.kind != "void" and _has_other_fields(each, kept)]
    losses.add("category-details", "categories", len(lost), examples=lost)
    void = [each.name for each in taxonomy.categories if each.kind == "void"]
    losses.add("void", "categories", len(void), examples=void)
    if taxonomy.groups or taxonomy.name or taxonomy.version is not None:
        losses.add("category-details", "taxonomies", 1)


def _has_other_fields(struct: msgspec.Struct, kept: Iterable[str]) -> bool:
    """Whether a field other than these is away from its default."""
    return bool(msgspec.to_builtins(struct).keys() - set(kept))
