"""Files of VIA: their images, found by name, and what is needed to draw on them."""

import itertools
import os
import posixpath
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, is_unsafe_path, split_from_path
from segdata.formats.shared.images import ImageFolder, similar_name_hint
from segdata.formats.shared.pairing import images_folder, no_images_defect
from segdata.formats.shared.per_image import ImageEntry, relative_path
from segdata.formats.shared.taxonomies import resolve_names
from segdata.formats.tools.heads import VIA_CSV, VIA_JSON, head_of
from segdata.formats.tools.pictures import first_picture, near, picture_folders, unlisted
from segdata.formats.tools.source import ToolSource
from segdata.formats.tools.via_categories import NO_CATEGORY, USUAL, Census, ambiguous, category_of
from segdata.formats.tools.via_documents import Listed, read_via
from segdata.formats.tools.via_regions import Reading, declared_size, declared_split, look, mended
from segdata.formats.tools.written import Notation

NOTATION = Notation("axes", mend=mended)
_NO_AREA = frozenset({"point", "polyline", "line"})


@dataclass(slots=True)
class _Opened:
    """The images of all documents by image_id, and what is wrong with them."""

    root: Path
    folders: Sequence[ImageFolder]
    entries: dict[str, ImageEntry] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    missing: list[tuple[Listed, ImageEntry]] = field(default_factory=list)


def open_via(request: ReadRequest) -> ToolSource:
    """Open the files at or below a path."""
    root = request.root
    paths = _documents(root)
    if not paths:
        raise UnreadableError(f"{root}: no VIA file; they are JSON or CSV with shape_attributes and region_attributes")
    here = root if root.is_dir() else root.parent
    images = images_folder(request)
    opened = _Opened(root, picture_folders(here, images))
    for path in paths:
        file = relative_path(root, path)
        listed, defects = read_via(path, file)
        opened.defects += defects
        folder = posixpath.dirname(file) if path.is_relative_to(root) else ""
        split = split_from_path(file)
        for each in listed:
            _add(opened, path, file, folder, split, each)
    _must_be_drawable(opened, here, images)
    attribute, census, defects = _census(opened, request.options.get("attribute"))
    named = resolve_names(census, request.taxonomy)
    name = root.name if root.is_dir() else root.stem
    profile = named.profile("via", root, "instance", "sparse", "allow", name=name, raster_rule="coco")
    entries = sorted(opened.entries.values(), key=lambda entry: entry.image_id)
    reading = Reading(attribute, named.to)
    alone = unlisted(opened.folders, opened.entries.values(), "VIA") if root.is_dir() else []
    told = (*opened.defects, *defects, *alone)
    see = partial(look, reading)
    return ToolSource(root, profile, entries, told, named.to, see, request.annotator, NOTATION)


def _documents(root: Path) -> list[Path]:
    """VIA's files at or below a path; of a CSV and a JSON in one folder the JSON."""
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    if root.is_file():
        return [root]
    found: list[Path] = []
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for suffix, head in ((".json", VIA_JSON), (".csv", VIA_CSV)):
            paths = [Path(folder, name) for name in sorted(names) if name.lower().endswith(suffix)]
            hits = [path for path in paths if re.search(head, head_of(path))]
            found += hits
            if hits:
                break
    for path in found:
        check_path_name(path)
    return found


def _add(opened: _Opened, path: Path, file: str, folder: str, split: str | None, listed: Listed) -> None:
    """Add an image of a document, which is `file` in `folder` of the dataset and of a split: its name and its file."""
    name = listed.item.filename.replace("\\", "/")
    uri = listed.item.filename if "://" in name else None
    if uri is not None or is_unsafe_path(name):
        bare = PurePosixPath(name.split("?")[0]).name or "image"
        if uri is None:
            message = f"path {listed.item.filename!r} leaves the dataset's root; its last part is taken for the name"
            opened.defects.append(Defect("SEG015", message, file, f"{listed.place}/filename"))
        name = bare
    image_id = posixpath.join(folder, name)
    if image_id in opened.entries:
        message = f"image {image_id!r} is listed twice; the first entry is read"
        opened.defects.append(Defect("SEG008", message, file, listed.place or None, image=image_id))
        return
    hit = first_picture(opened.folders, (image_id, name))
    size = declared_size(listed)
    entry = ImageEntry(image_id, hit, (path,), listed, size=size, uri=uri, split=declared_split(listed) or split)
    opened.entries[image_id] = entry
    if hit is None:
        opened.missing.append((listed, entry))


def _must_be_drawable(opened: _Opened, here: Path, images: Path | None) -> None:
    """Say which image files are missing; raises UnreadableError where none is here and nothing else tells sizes."""
    missing = opened.missing
    if len(missing) < len(opened.entries):
        for listed, entry in missing:
            hint = similar_name_hint(near(opened.folders, entry.image_id))
            lost = "" if 0 not in entry.size else ", and nothing else tells its size: its regions cannot be drawn"
            message = f"image file {entry.image_id!r} does not exist{lost}{hint}"
            file = relative_path(opened.root, entry.files[0])
            opened.defects.append(Defect("SEG002", message, file, listed.place or None, image=entry.image_id))
    elif missing and all(0 in entry.size for _, entry in missing):
        message = f"none of the {len(missing):,} image files is here, and VIA keeps no sizes to draw regions in"
        raise UnreadableError(f"{opened.root}: {message} (looked in {images or here}); give --images")
    elif missing:
        opened.defects.append(no_images_defect(len(missing), here, images))


@dataclass(slots=True)
class _Said:
    """What n regions with an area say: key and attributes of each, and where those of each entry end among them.

    One list for all: a tuple of each region would keep the garbage collector busy. `others` counts what has no area.
    """

    entries: list[ImageEntry]
    keys: list[object] = field(default_factory=list)
    attributes: list[object] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def of(entries: list[ImageEntry]) -> "_Said":
        """What the regions of these entries say."""
        said = _Said(entries)
        for entry in entries:
            keys, kinds, attributes = entry.record.heads()
            bare = [isinstance(kind, str) and kind in _NO_AREA for kind in kinds]
            if any(bare):
                said.others.update(itertools.compress(kinds, bare))
                drawn = [not each for each in bare]
                keys, attributes = itertools.compress(keys, drawn), itertools.compress(attributes, drawn)
            said.keys += keys
            said.attributes += attributes
            said.ends.append(len(said.attributes))
        return said

    def entry(self, row: int) -> ImageEntry:
        """Whose region it is."""
        return self.entries[bisect_right(self.ends, row)]


def _census(opened: _Opened, wanted: object) -> tuple[str | None, set[str], list[Defect]]:
    """The attribute that names categories, the names, and what is to be told about that."""
    census, without, said = Census(), Counter[str](), _Said.of(list(opened.entries.values()))
    census.add(said.attributes)
    attribute, more = census.chosen(wanted)
    values = [each.get(attribute) if isinstance(each, dict) else None for each in said.attributes]
    names = {value for value in values if type(value) is str and value.strip()}
    plain, first = frozenset(names), None
    for row, value in enumerate(values):
        if type(value) is str and value in plain:
            continue
        found = category_of(said.attributes[row], attribute)
        names.update(found or [NO_CATEGORY])
        if not found:
            without[said.entry(row).image_id] += 1
            first = row if first is None else first
    doubtful = attribute is not None and attribute.lower() not in USUAL and wanted is None and more
    defects = [Defect("SEG004", ambiguous(str(attribute), more), severity="info")] if doubtful else []
    if first is not None:
        which = "no region attribute has values" if attribute is None else f"the attribute {attribute!r} is empty there"
        message = (
            f"{without.total():,} regions of {len(without):,} images have no category ({which}); "
            f"they are read as {NO_CATEGORY!r}"
        )
        entry = said.entry(first)
        place = entry.record.place_of(said.keys[first])
        defects.append(Defect("SEG004", message, relative_path(opened.root, entry.files[0]), place, severity="warning"))
    if said.others:
        listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(said.others.items()))
        defects.append(Defect("SEG004", f"regions without area are left out: {listed}", severity="info"))
    return attribute, names, defects
