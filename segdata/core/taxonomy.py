"""Taxonomy: the categories of a dataset, their hierarchy, colours and guideline."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from segdata.core import yaml_files
from segdata.core.errors import SegdataError

CategoryKind = Literal["thing", "stuff", "void"]
Color = tuple[int, int, int]
Id = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Pixels = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
# Not `Color | str`: msgspec 0.22 reads invalid memory for a fixed-length tuple within a union.
ColorText = tuple[int, ...] | str
STAND_IN = "for labels that name no category"  # the definition of a category for labels that name none
# The greys of colours 1 to 23 of VOC's and DAVIS' palette, as Pillow and OpenCV compute them.
PALETTE_GREYS = (38, 75, 113, 14, 15, 52, 53, 89, 90, 128, 19, 57, 94, 133, 34, 72, 109, 147, 76, 151, 127, 166)


class Attribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An attribute that a segment of a category may have.

    `values` are the allowed values; if empty, any value is. `required`: every segment must have the attribute.
    """

    name: str
    values: tuple[str | int | float | bool, ...] = ()
    required: bool = False
    definition: str | None = None


class ExpectedCategory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The images in which a category must occur.

    `least_share`: at least this share of the annotated images; 1: every image. `whenever`: every image with one of
    these categories.
    """

    least_share: Share | None = None
    whenever: tuple[str, ...] = ()


class SizeLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The smallest and largest allowed area of a segment, in pixels, and in mm² where the pixel spacing is known."""

    min_pixels: Pixels | None = None
    max_pixels: Pixels | None = None
    min_mm2: Positive | None = None
    max_mm2: Positive | None = None


class MaxVoid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The largest allowed share of void pixels in each `image`, and in the whole `dataset`."""

    image: Share | None = None
    dataset: Share | None = None


DRAFTED = "drafted: "  # how a definition begins that only counts values in masks, until somebody writes one


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One entry of the taxonomy.

    `kind`: `thing` (countable), `stuff` (amorphous) or `void` (explicitly ignored). `color` is [r, g, b] or a quoted
    "#rrggbb". `parent` names another category, or a group that is no category. `aliases` are deprecated names
    that are read as this one. The guideline: `definition`, `boundary_rule`, `occlusion_rule`, `examples`.
    `thin`: drawn a few pixels wide by nature.

    Relations to other categories, by name; a parent or a group stands for all below it. `part_of`: it lies
    in one of these. `may_overlap`: it may share pixels with these. `may_not_overlap`: it never shares pixels with
    these, `may_not_touch`: nor borders on them. `also`: secondary categories that a segment of it may have.
    """

    id: Id
    name: str
    kind: CategoryKind = "thing"
    color: ColorText | None = None
    parent: str | None = None
    aliases: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    thin: bool = False
    part_of: tuple[str, ...] = ()
    may_overlap: tuple[str, ...] = ()
    may_not_overlap: tuple[str, ...] = ()
    may_not_touch: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    expected: ExpectedCategory | None = None
    size: SizeLimits | None = None
    definition: str | None = None
    boundary_rule: str | None = None
    occlusion_rule: str | None = None
    examples: tuple[str, ...] = ()

    @property
    def rgb(self) -> Color | None:
        """The colour as (r, g, b), 0 to 255."""
        return None if self.color is None else as_rgb(self.color)


class Taxonomy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The categories of a dataset.

    `unlabelled` is the colour (colour masks) or the id (index masks, instance ids) of unlabelled pixels; None: no
    colour or id means that. `groups`: names that are parents only, each with its own parent. It may be broken
    (duplicate ids, names or colours): rule SEG208 reports it, and `by_id` takes the first.
    """

    categories: tuple[Category, ...] = ()
    unlabelled: Id | tuple[int, ...] | str | None = None
    name: str | None = None
    version: str | int | float | None = None
    groups: dict[str, str | None] = {}
    max_void: MaxVoid | None = None

    def by_id(self) -> dict[int, Category]:
        """The first category of each id."""
        return {category.id: category for category in reversed(self.categories)}

    def by_name(self) -> dict[str, Category]:
        """The first category of each name; aliases too, where no category has that name."""
        named = {alias: category for category in reversed(self.categories) for alias in category.aliases}
        return named | {category.name: category for category in reversed(self.categories)}

    def by_color(self) -> dict[Color, Category]:
        """The first category of each colour."""
        return {category.rgb: category for category in reversed(self.categories) if category.rgb is not None}

    def name_of(self, id_: int) -> str:
        """The name of the category with this id; the id itself if there is none."""
        return next((category.name for category in self.categories if category.id == id_), str(id_))

    @property
    def parents(self) -> dict[str, str | None]:
        """The parent of each category and group, by name; see `lineage`."""
        first = {category.name: category.parent for category in reversed(self.categories)}
        return self.groups | {category.name: first[category.name] for category in self.categories}

    def nearest(self, name: str) -> list[str]:
        """Up to three names that are similar to `name`, best first."""
        by_lower = {other.lower(): other for other in self.by_name()}
        return [by_lower[near] for near in difflib.get_close_matches(name.lower(), by_lower, n=3)]

    @property
    def unlabelled_color(self) -> Color | None:
        """`unlabelled` if it is a colour, else None."""
        return None if self.unlabelled is None or isinstance(self.unlabelled, int) else as_rgb(self.unlabelled)

    @property
    def unlabelled_id(self) -> int | None:
        """`unlabelled` if it is an id, else None."""
        return self.unlabelled if isinstance(self.unlabelled, int) else None

    @property
    def void_ids(self) -> tuple[int, ...]:
        """The ids of the categories of kind void."""
        return tuple(category.id for category in self.categories if category.kind == "void")

    @property
    def thing_ids(self) -> tuple[int, ...]:
        """The ids of the categories of kind thing."""
        return tuple(category.id for category in self.categories if category.kind == "thing")


def lineage(name: str, parents: Mapping[str, str | None]) -> list[str]:
    """A name and its ancestors, nearest first; each once, since parents of a broken taxonomy may form a circle.

    >>> lineage("bus", {"bus": "vehicle", "vehicle": "object"})
    ['bus', 'vehicle', 'object']
    """
    line: list[str] = []
    current: str | None = name
    while current is not None and current not in line:
        line.append(current)
        current = parents.get(current)
    return line


def as_rgb(color: ColorText) -> Color:
    """Parse a colour to (r, g, b), 0 to 255; raises SegdataError for invalid colours.

    >>> as_rgb("#00008e")
    (0, 0, 142)
    """
    if isinstance(color, str):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
            raise SegdataError(f"colour {color!r} is not [r, g, b] or '#rrggbb'")
        return (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))
    if len(color) != 3 or any(not 0 <= value <= 255 for value in color):
        raise SegdataError(f"colour {list(color)} is not three values from 0 to 255")
    return (color[0], color[1], color[2])


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy from a YAML file; raises SegdataError with file and line."""
    return parse_taxonomy(yaml_files.read_utf8(path), str(path))


def parse_taxonomy(text: str, name: str = "taxonomy.yaml") -> Taxonomy:
    """Parse a taxonomy from YAML text; raises SegdataError with the line, in which the file is called `name`."""
    taxonomy, lines = yaml_files.parse_yaml_with_lines(text, Taxonomy, name)
    if not taxonomy.categories and lines.line_of("categories") is None:  # `categories: []` is deliberate
        raise SegdataError(f"{name}:1: no categories; write at least one under 'categories:'")
    for position, category in enumerate(taxonomy.categories):
        line = lines.line_of("categories", position, "color")
        if category.color is None and line is not None:
            # YAML reads an unquoted #rrggbb as a comment, and the colour would silently be none.
            raise SegdataError(f'{name}:{line}: color is empty; quote it: color: "#00008e", or write [0, 0, 142]')
        try:
            _ = category.rgb
        except SegdataError as error:
            raise SegdataError(f"{name}:{line}: category {category.name!r}: {error}") from error
    try:
        _ = taxonomy.unlabelled_color
    except SegdataError as error:
        raise SegdataError(f"{name}:{lines.line_of('unlabelled')}: unlabelled: {error}") from error
    return taxonomy


def dump_taxonomy(taxonomy: Taxonomy) -> str:
    """The taxonomy as YAML text that `parse_taxonomy` reads back, one category a line."""
    head: dict[str, Any] = msgspec.to_builtins(taxonomy, str_keys=True)  # Any: plain YAML data
    categories = head.pop("categories", [])
    lines = [yaml_files.dump_yaml_line({key: value})[1:-1] for key, value in head.items()]
    lines.append("categories:" if categories else "categories: []")
    for category in categories:
        if isinstance(category.get("color"), tuple):
            category["color"] = list(category["color"])
        lines.append("  - " + yaml_files.dump_yaml_line(category))
    return "\n".join(lines) + "\n"
