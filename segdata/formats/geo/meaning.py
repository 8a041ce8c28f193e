"""Meaning: the categories that the values of rasters stand for, and which of them stands for no data."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from shlex import quote

import msgspec
import numpy as np

from segdata.core.config import InstanceIds
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import ReadRequest
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.geo.classnames import class_names
from segdata.formats.geo.opening import OpenRasters
from segdata.formats.geo.raster import MASKED, RasterHead, read_patch
from segdata.formats.geo.window import SIDE, Window, windows
from segdata.formats.shared import taxonomies
from segdata.formats.shared.instance_id_rules import IdRule, id_rule
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.taxonomies import load_preset

_MOST = 200  # more different values than this are no categories


def band_of(request: ReadRequest) -> int | None:
    """The option `band`; raises SegdataError for what is no number of a band."""
    said = request.options.get("band")
    if said is None:
        return None
    if not str(said).isdigit() or int(str(said)) < 1:
        raise SegdataError(f"band is {said!r}; it is the number of the band that holds the labels, from 1")
    return int(str(said))


def taxonomy_of(request: ReadRequest, opened: OpenRasters, band: int | None) -> tuple[Taxonomy, bool]:
    """The categories, and whether a person gave them.

    They are the user's, or a preset, or those of a colour table in the folder, or those named beside the rasters, or
    one for each value that occurs, where the rasters have a colour table. Raises UnreadableError where nothing says
    what values mean.
    """
    heads = list(opened.heads.values())
    chosen = request.options.get("preset")
    if chosen is not None and request.taxonomy is not None:
        raise SegdataError(f"{request.root}: a taxonomy and the preset {chosen!r}: give one of them")
    given = request.taxonomy if chosen is None else load_preset(str(chosen))
    table = (
        None
        if given is not None
        else taxonomies.find_colour_table(request.root, heads[0].path.parent if heads else None)
    )
    if table is not None:
        given = taxonomies.load_colour_table(table)
    if given is not None:
        return given, True
    named: dict[int, Category] = {}
    for head in heads:
        for category in class_names(head.path, relative_path(request.root, head.path), band or 1, opened.defects):
            named.setdefault(category.id, category)
    if named:
        shown = heads[0].palette
        colored = (_shown(each, shown) for each in named.values())
        return Taxonomy(categories=tuple(sorted(colored, key=lambda each: each.id))), False
    if heads and all(head.palette is not None for head in heads):
        return Taxonomy(categories=tuple(_of_values(request.root, heads))), False
    stored = heads[0].encoding if heads else "unreadable"
    raise UnreadableError(
        f"{request.root}: the labels are {stored}, and nothing says what their values mean; write taxonomy.yaml "
        f"(`segdata taxonomy init {quote(str(request.root))}` drafts one of 8-bit labels), give --taxonomy, or names "
        "in labels.tif.aux.xml or labels.tif.vat.dbf"
    )


def with_void(taxonomy: Taxonomy, heads: Iterable[RasterHead]) -> tuple[Taxonomy, int | None]:
    """The taxonomy with a category of kind void, where some raster has pixels that mean nothing; its id.

    None is added where the taxonomy says itself what the value of no data stands for.
    """
    known = taxonomy.by_id()
    unmapped: list[int | None] = []
    for head in heads:
        value = head.nodata_value
        if head.masked or (head.nodata is not None and value is None):
            unmapped.append(None)
        elif value is not None and not _says(taxonomy, head, value):
            unmapped.append(None if head.coloured else value)
    void = next(iter(taxonomy.void_ids), None)
    if not unmapped or void is not None:
        return taxonomy, void
    wanted = next((value for value in unmapped if value is not None and value not in known), None)
    id_ = max([0, *known]) + 1 if wanted is None or wanted == taxonomy.unlabelled_id else wanted
    name = "nodata" if "nodata" not in taxonomy.by_name() else f"nodata {id_}"
    nodata = Category(id=id_, name=name, kind="void")
    return msgspec.structs.replace(taxonomy, categories=(*taxonomy.categories, nodata)), id_


def rule_of(request: ReadRequest, config: InstanceIds, heads: Iterable[RasterHead]) -> tuple[Taxonomy, IdRule]:
    """What values mean that are ids of segments, as segdata.yaml says; that of no data is void."""
    placed = [head for head in heads if head.masked or head.nodata_value not in (None, config.background)]
    if config.void is None and placed:
        value = next((head.nodata_value for head in placed if head.nodata_value is not None), MASKED)
        config = msgspec.structs.replace(config, void=value)
    if config.void is not None and request.taxonomy is not None:
        request = replace(request, taxonomy=with_void(request.taxonomy, placed)[0])
    return id_rule(request, config)


def _says(taxonomy: Taxonomy, head: RasterHead, value: int) -> bool:
    """Whether the taxonomy says what the value of no data stands for."""
    if head.coloured:
        color = (value & 255,) * 3
        return color in taxonomy.by_color() or color == taxonomy.unlabelled_color
    return value in taxonomy.by_id() or value == taxonomy.unlabelled_id


def _shown(category: Category, palette: np.ndarray[tuple[int, int], np.dtype[np.uint8]] | None) -> Category:
    """The category in its colour of the colour table, where its name came without one."""
    if category.color is not None or palette is None or not 0 <= category.id < len(palette):
        return category
    red, green, blue = palette[category.id].tolist()
    return msgspec.structs.replace(category, color=(red, green, blue))


def _of_values(root: Path, heads: list[RasterHead]) -> list[Category]:
    """A category for each value in rasters that have a colour table but no names, each looked through once."""
    seen = np.zeros(256, bool)
    for head in heads:
        parts: list[Window | None] = [*windows(head.width, head.height, SIDE)]
        for window in parts or [None]:
            try:
                seen[read_patch(head, window, None).values.clip(0, 255)] = True
            except OSError:
                break  # reading says so
        if head.nodata_value is not None:
            seen[head.nodata_value] = False
    values = np.flatnonzero(seen).tolist()
    if len(values) > _MOST:
        raise UnreadableError(f"{root}: {len(values)} different values in the labels are no categories")
    made = (Category(id=value, name=f"category_{value}", kind="stuff") for value in values)
    return [_shown(each, heads[0].palette) for each in made]
