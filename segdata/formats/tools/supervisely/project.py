"""Project: the classes of a Supervisely project, its images and their annotation files."""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, split_from_path
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import has_index, images_folder, no_images_defect, pair_by_index
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.safe_parsers import read_json
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.tools.source import ToolSource
from segdata.formats.tools.supervisely.objects import NOTATION, look_at_objects

META = "meta.json"
_OTHERS = frozenset({"videos", "volumes", "point_clouds", "point_cloud_episodes"})
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def open_supervisely(request: ReadRequest) -> ToolSource:
    """The project in a folder, or one dataset of it; raises UnreadableError where there is none of images."""
    root = request.root if request.root.is_dir() else request.root.parent
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    meta = next((folder / META for folder in (root, root.parent) if (folder / META).is_file()), None)
    if meta is None:
        raise UnreadableError(f"{root}: {META} is missing; it lies in the project's folder and names the classes")
    taxonomy, defects = _classes(meta, relative_path(root, meta))
    entries, more = _images(root, images_folder(request))
    titles = [each.name for each in taxonomy.categories]
    known = resolve_names(titles, request.taxonomy, taxonomy)
    profile = known.profile(
        "supervisely", request.root, "instance", "sparse", "allow", name=root.name, raster_rule="cv2"
    )
    ids = {title: known.to[title] for title in titles}
    look = partial(look_at_objects, root, ids)
    told = (*defects, *more)
    what = "size in the annotation"
    return ToolSource(root, profile, entries, told, ids, look, request.annotator, NOTATION, what=what)


def _images(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """The images of a project, in order; raises UnreadableError where it has none."""
    entries, defects = pair_by_index(root, images) if has_index(root) else _walked(root, images)
    if not entries and not has_index(root):
        raise UnreadableError(f"{root}: no annotation files; datasets are folders with ann/ and img/ in them")
    return sorted(entries, key=lambda entry: entry.image_id), defects


def _walked(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """The images of all datasets below the project's folder."""
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    given = ImageFolder.below(images).paths if images else {}
    for folder in _datasets(root):
        name = PurePosixPath(*(part for part in folder.relative_to(root).parts if part != "datasets"))
        start = f"{name.as_posix()}/" if name.parts else ""
        split = split_from_path(f"{start}image")
        pictures = ImageFolder.below(folder / "img")
        there = dict(pictures.paths)
        for file in _json_files(folder / "ann"):
            path = folder / "ann" / file
            check_path_name(path)
            stem = file[: -len(".json")]
            near = None if stem in there else pictures.near(stem) or pictures.near(stem + ".json")
            called = stem if near is None else near
            image_id = start + called
            inside = (image_id, f"{start}img/{called}", called)
            image = there.pop(called, None) or next((given[each] for each in inside if each in given), None)
            entries.append(ImageEntry(image_id, image, (path,), split=split))
            if image is None:
                defects.append(
                    Defect("SEG002", "the image file does not exist", relative_path(root, path), image=image_id)
                )
        for file, path in there.items():
            image_id = start + file
            entries.append(ImageEntry(image_id, path, split=split))
            defects.append(Defect("SEG011", "an image without annotation", relative_path(root, path), image=image_id))
    if entries and all(entry.image is None for entry in entries):
        defects = [no_images_defect(len(entries), root, images)]
    return entries, defects


def _json_files(folder: Path) -> list[str]:
    """The names of the JSON files in a folder, in order."""
    with os.scandir(folder) as files:
        return sorted(each.name for each in files if each.name.lower().endswith(".json") and each.name != ".json")


def _datasets(root: Path) -> Iterator[Path]:
    """The folders that have a folder `ann`."""
    for folder, folders, _ in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "ann" in folders:
            yield Path(folder)
            folders[:] = [name for name in folders if name not in ("ann", "img")]


def _classes(path: Path, file: str) -> tuple[Taxonomy, list[Defect]]:
    """The classes in meta.json; raises UnreadableError where the project is not one of images."""
    defects: list[Defect] = []
    try:
        meta = read_json(path, file, defects)
    except BrokenLabelsError as error:
        return Taxonomy(), list(error.defects)
    if not isinstance(meta, dict) or not isinstance(meta.get("classes"), list):
        return Taxonomy(), [Defect("SEG004", "no list of classes", file, "/classes")]
    if meta.get("projectType") in _OTHERS:
        what = f"a project of {meta['projectType']}"
        raise UnreadableError(f"{path}: {what}; only projects of images are read, export its frames as such")
    classes: dict[str, dict[str, Any]] = {}
    for i, each in enumerate(meta["classes"]):
        title = each.get("title") if isinstance(each, dict) else None
        if not isinstance(title, str):
            defects.append(Defect("SEG004", "a class without a title", file, f"/classes/{i}"))
        elif title in classes:
            defects.append(
                Defect("SEG008", f"a second class {title!r}; the first is read", file, f"/classes/{i}/title")
            )
        else:
            classes[title] = each | {"at": i}
    return Taxonomy(categories=tuple(_categories(classes, file, defects))), defects


def _categories(classes: dict[str, dict[str, Any]], file: str, defects: list[Defect]) -> Iterator[Category]:
    """A category for each class; ids are the project's where every class has one of its own."""
    ids = [each.get("id") for each in classes.values()]
    own = all(type(id_) is int and 0 <= id_ < 2**53 for id_ in ids) and len(set(ids)) == len(ids)
    if not own and any(id_ is not None for id_ in ids):
        defects.append(
            Defect("SEG008", "ids of classes are no numbers, or not unique; they are counted", file, "/classes")
        )
    for number, (title, each) in enumerate(classes.items(), 1):
        color = each.get("color")
        if color is not None and not (isinstance(color, str) and _COLOR.fullmatch(color)):
            place = f"/classes/{each['at']}/color"
            defects.append(Defect("SEG004", f"colour {color!r:.40} is not '#RRGGBB'", file, place))
            color = None
        yield Category(id=each["id"] if own else number, name=title, kind=kind_from_name(title), color=color)
