"""Categories of COCO documents: read to a taxonomy, and written from one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.format import LossCounter
from segdata.core.taxonomy import Category, Taxonomy, as_rgb
from segdata.core.taxonomy import Id as CategoryId
from segdata.formats.coco.document import Document, Items, Raw, decode_items
from segdata.formats.shared.taxonomies import aliases_used, name_metadata


class _CategoryItem(msgspec.Struct, gc=False):
    """An entry of `categories`. Further keys (keypoints, synsets) are kept unchanged."""

    id: CategoryId
    name: str | None = None
    supercategory: Any = None  # Any: a hint that is taken only where it is a text
    isthing: Any = None
    color: Any = None
    definition: Any = msgspec.field(default=None, name="def")


class _StrictCategoryItem(_CategoryItem, gc=False, forbid_unknown_fields=True):
    """An entry of `categories` without further keys."""


_KNOWN_KEYS = frozenset(_CategoryItem.__struct_encode_fields__)
CATEGORY_KEYS = "category_keys"  # of the profile's metadata: what entries say beyond that, by category id


@dataclass(frozen=True, slots=True)
class Categories:
    """A document's categories in the dataset's taxonomy.

    Attributes
    ----------
    taxonomy : the user's, or made from the document
    declared : the taxonomy is the user's
    to : id in the document -> id in the taxonomy, or, for a category that the taxonomy lacks, a free id
    unknown : those free ids -> the document's names
    aliases : names in the document that are aliases in the taxonomy -> id in the taxonomy
    listed : the document has a list of categories
    keys : further keys of entries: id in the taxonomy -> key -> JSON text
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
        """For the profile, as JSON: names that the taxonomy lacks, aliases, and the further keys of all entries."""
        metadata = name_metadata(self.unknown, self.aliases)
        if self.keys:
            raws = {str(id_): {key: Raw(text) for key, text in keys.items()} for id_, keys in self.keys.items()}
            metadata[CATEGORY_KEYS] = msgspec.json.encode(raws).decode()
        return metadata


def read_categories(document: Document, user_taxonomy: Taxonomy | None) -> Categories:
    """The categories of a document, mapped to the user's taxonomy if there is one: by name, alias, then id."""
    read: Items[_CategoryItem] = decode_items(document, "categories", _StrictCategoryItem, _CategoryItem)
    groups = {str(item.supercategory) for item in read.items if item.supercategory != item.name}
    first: dict[int, _CategoryItem] = {}
    new_categories, keys = [], {}
    for i, (item, extra) in enumerate(zip(read.items, read.extras(range(len(read.items)), _KNOWN_KEYS), strict=True)):
        place = read.place(i)
        if item.id in first:
            first_name = _category_name(first[item.id])
            message = f"category id {item.id} occurs twice ({first_name!r} and {_category_name(item)!r}); the first counts"
            document.defects.append(Defect("SEG008", message, document.name, place, category=first_name))
            continue
        first[item.id] = item
        if extra:
            keys[item.id] = extra
        if user_taxonomy is None:
            new_categories.append(_category(item, place, document, groups))
    listed = "categories" in (document.parts or {})
    if user_taxonomy is None:
        taxonomy = Taxonomy(categories=tuple(new_categories))
        return Categories(taxonomy, False, {id_: id_ for id_ in first}, listed=listed, keys=keys)
    _report_crossed(document, first, user_taxonomy)
    mapped = _mapped(first, user_taxonomy, listed)
    return replace(mapped, keys={mapped.to[id_]: extra for id_, extra in keys.items()})


def _report_crossed(document: Document, first: dict[int, _CategoryItem], user_taxonomy: Taxonomy) -> None:
    """SEG202 if the taxonomy gives an id of the document to another of the document's categories."""
    by_id, names = user_taxonomy.by_id(), {item.name for item in first.values()}
    crossed = [
        f"{id_} is {_category_name(item)!r} here and {by_id[id_].name!r} in the taxonomy"
        for id_, item in first.items()
        if id_ in by_id
        and by_id[id_].name != item.name
        and by_id[id_].name in names
        and item.name in user_taxonomy.by_name()
    ]
    if crossed:
        more = f" (and {len(crossed) - 3} more)" if len(crossed) > 3 else ""
        message = f"category ids are swapped: {', '.join(crossed[:3])}{more}; segdata goes by name"
        document.defects.append(Defect("SEG202", message, document.name, "/categories", severity="warning"))


def _mapped(first: dict[int, _CategoryItem], user_taxonomy: Taxonomy, listed: bool) -> Categories:
    by_name, by_id = user_taxonomy.by_name(), user_taxonomy.by_id()
    if not listed:
        return Categories(user_taxonomy, True, {id_: id_ for id_ in by_id})
    to, unknown = {}, {}
    for id_, item in first.items():
        category = by_id.get(id_) if item.name is None else by_name.get(item.name)
        if category is not None:
            to[id_] = category.id
    taken = set(by_id)
    for id_, item in first.items():
        if id_ not in to:
            free = id_ if id_ not in taken else max(taken | set(first), default=0) + 1
            taken.add(free)
            to[id_] = free
            unknown[free] = _category_name(item)
    aliases = aliases_used((item.name for item in first.values() if item.name is not None), user_taxonomy)
    return Categories(user_taxonomy, True, to, unknown, aliases)


def _category_name(item: _CategoryItem) -> str:
    return str(item.id) if item.name is None else item.name


def _category(item: _CategoryItem, place: str, document: Document, groups: set[str]) -> Category:
    if item.name is None:
        message = f"category {item.id} has no name; its name becomes {_category_name(item)!r}"
        document.defects.append(Defect("SEG004", message, document.name, f"{place}/name"))
    color = None
    if item.color is not None:
        try:
            color = as_rgb(tuple(item.color) if isinstance(item.color, list) else str(item.color))
        except (SegdataError, TypeError):
            message = f"colour {item.color!r} is not [r, g, b] from 0 to 255; ignored"
            document.defects.append(Defect("SEG004", message, document.name, f"{place}/color", category=_category_name(item)))
    parent = item.supercategory if isinstance(item.supercategory, str) else None
    return Category(
        id=item.id,
        name=_category_name(item),
        kind="stuff" if item.isthing in (0, False) else "thing",
        color=color,
        # COCO repeats the name where a category has no group; it may also bear the name of its group.
        parent=parent if parent and (parent != _category_name(item) or parent in groups) else None,
        definition=item.definition if isinstance(item.definition, str) else None,
    )


def category_items(taxonomy: Taxonomy, metadata: Mapping[str, str]) -> list[dict[str, object]]:
    """The entries of `categories`, without those of kind void, which COCO does not have.

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
    """The further keys of categories in documents: category id -> key -> value."""
    try:
        return msgspec.json.decode(metadata.get(CATEGORY_KEYS, "{}"), type=dict[str, dict[str, Any]])
    except msgspec.MsgspecError:  # somebody edited dataset.yaml
        return {}


def count_category_losses(taxonomy: Taxonomy, losses: LossCounter) -> None:
    """Count the details of the taxonomy that `category_items` leaves out."""
    kept = {"id", "name", "kind", "color", "parent", "definition"}
    lost = [
        category.name
        for category in taxonomy.categories
        if category.kind != "void" and _has_other_fields(category, kept)
    ]
    losses.add("category-details", "categories", len(lost), examples=lost)
    void = [category.name for category in taxonomy.categories if category.kind == "void"]
    losses.add("void", "categories", len(void), examples=void)
    if taxonomy.groups or taxonomy.name or taxonomy.version is not None:
        losses.add("category-details", "taxonomies", 1)


def _has_other_fields(struct: msgspec.Struct, kept: Iterable[str]) -> bool:
    """Whether a field other than these differs from its default."""
    return bool(msgspec.to_builtins(struct).keys() - set(kept))
