"""Opened: the images of a Kaggle table."""

from functools import partial
from pathlib import Path, PurePosixPath

from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Request
from segdata.core.profile import Task
from segdata.formats.kaggle.look import Order, look
from segdata.formats.kaggle.rows import Rows, read_rows
from segdata.formats.shared.label_files import find_images
from segdata.formats.shared.per_image import ImageEntry, PerImageSource
from segdata.formats.shared.taxonomies import resolve_names


def open_table(request: Request, path: Path) -> PerImageSource:
    """The table at `path`; raises UnreadableError where nothing tells the size of the images."""
    order, size = _order(request), _size(request)
    rows = read_rows(path, path.name)
    only = str(request.options.get("category", "object"))
    names = {line.category or only for lines in rows.of_image.values() for line in lines}
    taxonomy = request.taxonomy
    by_id = {} if taxonomy is None else {str(id_): each.name for id_, each in taxonomy.by_id().items()}
    known = resolve_names((by_id.get(name, name) for name in names), taxonomy)
    ids = {name: known.to[by_id.get(name, name)] for name in names} | {None: known.to.get(by_id.get(only, only), 0)}
    entries, defects = _entries(request, path, rows, size)
    task: Task = "semantic" if rows.by_class else "instance"
    profile = known.profile("kaggle-rle", path, task, "sparse", "allow", name=request.root.stem)
    found = partial(look, path.name, ids, order)
    return PerImageSource(
        path.parent, profile, entries, (*rows.defects, *defects), found, request.annotator, 64, "declared size"
    )


def _order(request: Request) -> Order | None:
    order = request.options.get("order")
    if order is None:
        return None
    if order not in ("column", "row"):
        raise SegdataError(f"kaggle-rle: order is {order!r}, it is column or row")
    return "row" if order == "row" else "column"


def _size(request: Request) -> tuple[int, int]:
    """Height and width of all images, as the user says; (0, 0): not said."""
    said = str(request.options.get("size", ""))
    parts = said.lower().split("x")
    if not said:
        return 0, 0
    if len(parts) != 2 or not all(part.isdigit() and 0 < int(part) <= 2**20 for part in parts):
        raise SegdataError(f"kaggle-rle: size is {said!r}, it is HEIGHTxWIDTH in pixels, as 768x768")
    return int(parts[0]), int(parts[1])


def _entries(request: Request, path: Path, rows: Rows, size: tuple[int, int]) -> tuple[list[ImageEntry], list[Defect]]:
    """The images of a table, with their files; raises UnreadableError where no size is known of any of them."""
    names = list(rows.of_image)
    bare = not any(PurePosixPath(name).suffix for name in names)
    wanted = [name + suffix for suffix in (".png", ".jpg", ".tif") for name in names] if bare else names
    folder, defects = find_images(path, path.name, wanted, request.images)
    by_stem = {PurePosixPath(name).with_suffix("").as_posix(): name for name in folder.paths} if bare else {}
    entries = []
    for name, lines in sorted(rows.of_image.items()):
        image_id = by_stem.get(name, name)
        sizes = [line.size for line in lines if 0 not in line.size]
        entries.append(
            ImageEntry(image_id, folder.paths.get(image_id), (path,), lines, (sizes or [size])[0], source_id=name)
        )
    if entries and all(entry.image is None and 0 in entry.size for entry in entries):
        raise UnreadableError(
            f"{path}: run lengths need the size of the images: give --images DIR, or --read-option size=HEIGHTxWIDTH"
        )
    return entries, defects
