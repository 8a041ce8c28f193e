"""Image files that a dataset only refers to: each is looked at, so that missing and damaged ones are found."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from segdata.core.batch import Batch, replaced
from segdata.core.dataset import Dataset
from segdata.core.defect import Defect
from segdata.core.format import Source
from segdata.formats.altered import AlteredSource
from segdata.formats.images import header, size_defects
from segdata.formats.masks.pairing import no_images
from segdata.formats.perimage.entry import below


def with_image_files(
    source: Source, root: Path, uris: Sequence[str | None], images: Path | None = None
) -> AlteredSource:
    """`source` with the defects of its image files: at `uris`, one an image, or in the folder `images`.

    Where none of them is here that is one information for the dataset, not one defect an image. File names in defects
    start at `root`.
    """
    named = uris if images is None else [str(images / name) for name in source.image_ids]
    paths = [path for uri in named if (path := local(uri)) is not None]
    none_here = bool(paths) and not any(path.is_file() for path in paths)
    more = (no_images(len(paths), paths[0].parent, images),) if none_here else ()
    return AlteredSource(source, partial(_with_defects, root, images, none_here), more)


def _with_defects(root: Path, images: Path | None, none_here: bool, batch: Batch) -> Batch:
    """The batch with the URIs of its image files in the folder `images`, if that is given, and their defects."""
    names = batch.images["image_id"].to_pylist()
    uris = batch.images["uri"].to_pylist() if images is None else [str(images / name) for name in names]
    defects = list(batch.defects)
    for name, uri, high, wide in zip(names, uris, *(side.tolist() for side in batch.image_size), strict=True):
        path = local(uri)
        if path is not None and not none_here:
            defects += _looked_at(name, path, below(root, path), wide, high)
    return replace(batch, images=replaced(batch.images, "uri", uris), defects=tuple(defects))


def folder_of_images(data: Dataset) -> Path | None:
    """The folder below which the first image's file is called as its image_id; None where it is not known."""
    for rows in data.chunks():
        first = data.source.load(rows[:1]).images
        path, name = local(first["uri"][0].as_py()), Path(str(first["image_id"][0].as_py()))
        if path is None or path.parts[-len(name.parts) :] != name.parts:
            return None
        return Path(*path.parts[: -len(name.parts)])
    return None


def local(uri: str | None) -> Path | None:
    """The file that a URI names on this machine; None where it names none."""
    return None if uri is None or "://" in uri else Path(uri)


def _looked_at(name: str, path: Path, file: str, width: int, height: int) -> list[Defect]:
    """What is wrong with the image file at `path`, which `file` is called."""
    try:
        return size_defects(name, header(path), width, height, "size of the labels", file, None)
    except FileNotFoundError:
        return [Defect("SEG002", "the image file does not exist", file, image=name)]
    except OSError as error:
        return [Defect("SEG001", f"image cannot be read: {error.strerror or error}", file, image=name)]
