"""Copying: the image files of a dataset on their way into the folder of a conversion, volumes as a whole."""

import csv
import io
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from segdata.core.batch import Batch, replaced
from segdata.core.uri import inside, local_file, moved
from segdata.formats.shared.pairing import INDEX_FILE

Row = Mapping[str, Any]  # of the columns of images; Any: cells of all types


@dataclass
class Copies:
    """Copies image files below a folder.

    An image that is one file gets the name of its image_id; the file of slices or windows that of what they are part
    of, and the channels of an image keep their names.

    Attributes
    ----------
    folder : that they go to
    n_files : that were copied
    left : why images were not copied, and which
    """

    folder: Path
    n_files: int = 0
    left: dict[str, list[str]] = field(default_factory=dict)
    _copied: dict[Path, Path] = field(default_factory=dict, repr=False)  # source -> copy
    _taken: set[Path] = field(default_factory=set, repr=False)

    def batch(self, batch: Batch) -> Batch:
        """The batch, with its images where their copies are."""
        rows = batch.images.select(["image_id", "uri", "channels"]).to_pylist()
        uris = [self._copy(row, row["uri"]) for row in rows]
        channels = [
            row["channels"] and [{**each, "uri": self._copy(row, each["uri"])} for each in row["channels"]]
            for row in rows
        ]
        images = replaced(replaced(batch.images, "uri", uris), "channels", channels)
        return replace(batch, images=images)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was not copied, a line for each reason."""
        found = []
        for reason, names in self.left.items():
            names = list(dict.fromkeys(names))
            shown = f"{names[0]}{', …' if len(names) > 1 else ''}"
            found.append(f"{len(names):,} {'image' if len(names) == 1 else 'images'} not copied, {reason} ({shown})")
        return tuple(found)

    def _copy(self, row: Row, uri: str | None) -> str | None:
        """Where the copy of a file is; the file itself where there is none."""
        path = local_file(uri)
        if uri is None or path is None or not path.is_file():
            here = "the file does not exist" if path is not None else "on another machine"
            self.left.setdefault(here if uri else "no file is known", []).append(row["image_id"])
            return uri
        path = path.absolute()
        if path not in self._copied:
            target = self._free(self.folder / _name(row, path), path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            self._copied[path] = target.absolute()
            self.n_files += 1
        return moved(uri, self._copied[path])

    def _free(self, target: Path, path: Path) -> Path:
        """`target`, below a folder of its own where another file has its name."""
        number = 0
        while target in self._taken:
            number += 1
            target = self.folder / str(number) / path.name
        self._taken.add(target)
        return target


def _name(row: Row, path: Path) -> PurePosixPath:
    """What the copy of a file is called: as the image, or as what its image is a slice or window of."""
    image = PurePosixPath(row["image_id"])
    whole = next((each for each in (image, *image.parents) if each.name.endswith(path.suffix)), image)
    return whole.with_name(path.name) if row["channels"] else whole


def put_beside(made: Path, image_of: Callable[[str], str]) -> None:
    """Move the copies of a conversion to where the programs of its format look for the images of masks.

    `made` has them in `images`, and tells in `images.csv` which mask is whose; `image_of` gives the place of an image,
    without extension, by that of its mask.
    """
    path = made / INDEX_FILE
    records = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    for record in records:
        source = made / "images" / record["image"]
        if not record["mask"] or not source.is_file():
            continue
        target = made / f"{image_of(record['mask'])}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        record["uri"] = inside(str(target), made) or ""
    _write(path, records)
    for folder in sorted((made / "images").rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if (made / "images").is_dir() and not any((made / "images").iterdir()):
        (made / "images").rmdir()


def _write(path: Path, records: Iterable[Mapping[str, str]]) -> None:
    rows = list(records)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
