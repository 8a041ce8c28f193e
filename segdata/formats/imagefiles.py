"""Image files that a dataset only refers to: each is looked at, so that missing and damaged ones are found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segdata.core.batch import Batch, replaced
from segdata.core.dataset import Dataset
from segdata.core.defect import Defect
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.images import header, size_defects
from segdata.formats.masks.pairing import below, no_images


@dataclass(frozen=True, slots=True)
class ImageFileSource:
    """A source with what is wrong with the image files that it refers to.

    Attributes
    ----------
    source : the dataset
    root : where file names in defects start
    images : the folder that the files are in, by image_id; None: where the dataset says
    none : the one defect where not a single file is there; None where some are
    """

    source: Source
    root: Path
    images: Path | None
    none: Defect | None

    @property
    def profile(self) -> Profile:
        """As the source's."""
        return self.source.profile

    @property
    def image_ids(self) -> Sequence[str]:
        """As the source's."""
        return self.source.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """The source's, and whether there are no image files at all."""
        return self.source.defects if self.none is None else (*self.source.defects, self.none)

    def chunks(self) -> list[Ints]:
        """As the source's."""
        return self.source.chunks()

    def load(self, rows: Ints) -> Batch:
        """The source's batch, with the defects of its image files."""
        batch = self.source.load(rows)
        names = batch.images["image_id"].to_pylist()
        uris = batch.images["uri"].to_pylist() if self.images is None else [str(self.images / name) for name in names]
        defects = list(batch.defects)
        for name, uri, high, wide in zip(names, uris, *(side.tolist() for side in batch.image_size), strict=True):
            path = local(uri)
            if path is not None and self.none is None:
                defects += _looked_at(name, path, below(self.root, path), wide, high)
        return replace(batch, images=replaced(batch.images, "uri", uris), defects=tuple(defects))


def with_image_files(
    source: Source, root: Path, uris: Sequence[str | None], images: Path | None = None
) -> ImageFileSource:
    """`source` with the defects of its image files: at `uris`, one an image, or in the folder `images`.

    Where none of them is here that is one information for the dataset, not one defect an image.
    """
    named = uris if images is None else [str(images / name) for name in source.image_ids]
    paths = [path for uri in named if (path := local(uri)) is not None]
    some = not paths or any(path.is_file() for path in paths)
    return ImageFileSource(source, root, images, None if some else no_images(len(paths), paths[0].parent, images))


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
