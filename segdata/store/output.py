"""Output: write files under hidden names and move them into place at the end; copy and crop image files."""

import csv
import errno
import io
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import numpy as np

from segdata.core.atomic_files import TOKEN_PATTERN, hidden_stem, lock_target, os_reason, place, sync, unique_token
from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError, count_noun
from segdata.core.image_files import ChannelArray, encode_image, read_channels
from segdata.core.paths import local_file, relative_uri, replace_file, with_folder
from segdata.core.storage import STORES, local_copy
from segdata.formats.shared.image_index import INDEX_FILE
from segdata.store.windows import Tile, read_tile


class StagedOutput:
    """The hidden output of one conversion: the target, and files beside it. A context manager that cleans up.

    Hidden names are unique, and the target is locked: of two programs that write it, the second stops with an error.
    """

    def __init__(self, target: Path) -> None:
        self.target = check_free(target)
        self._token = unique_token()
        self._places: dict[Path, Path] = {}
        self._replacing: set[Path] = set()
        self._stack = ExitStack()
        self.made = self._hidden(target, target.suffix)

    def sibling(self, name: str, *, replace: bool = False) -> Path:
        """The hidden path of a file that goes beside the target as `name`; `replace`: overwrite an older file."""
        hidden = self._hidden(self.target.with_name(name), f".{len(self._places)}")
        if replace:
            self._replacing.add(hidden)
        return hidden

    def _hidden(self, path: Path, suffix: str) -> Path:
        hidden = self.target.with_name(f"{hidden_stem(self.target.name)}.{self._token}.partial{suffix[:20]}")
        self._places[hidden] = path
        return hidden

    def commit(self) -> None:
        """Move the output to its place, all of it or nothing; the target comes last.

        Raises SegdataError if another program has created the target meanwhile.
        """
        moved: list[Path] = []
        try:
            for hidden, path in reversed(self._places.items()):
                if hidden.exists() and hidden not in self._replacing:
                    place(hidden, path)
                    moved.append(path)
            for hidden in self._replacing:  # only now: the target is ours
                moved.append(hidden.replace(self._places[hidden]))
            sync(self.target.absolute().parent)
        except OSError as error:
            _remove(moved)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise SegdataError(
                    f"{path}: another program has written it meanwhile; nothing is changed, name another target"
                ) from error
            raise

    def with_known_names(self, message: str) -> str:
        """A message with the final names instead of the hidden ones."""
        for hidden, path in self._places.items():
            message = message.replace(str(hidden), str(path))
        return message

    def __enter__(self) -> "StagedOutput":
        try:
            locked = self._stack.enter_context(lock_target(self.target))
        except OSError as error:
            raise SegdataError(f"{self.target}: cannot be written: {os_reason(error)}") from error
        try:
            check_free(self.target)
            if locked:  # the lock is free, so these are left from killed programs
                _remove(_left_behind(self.target))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self._places)
        self._stack.close()


def _left_behind(target: Path) -> list[Path]:
    """The hidden outputs that killed conversions to this target left behind."""
    hidden = re.compile(rf"{re.escape(hidden_stem(target.name))}\.{TOKEN_PATTERN}\.partial(\..*)?", re.DOTALL)
    return [path for path in target.absolute().parent.iterdir() if hidden.fullmatch(path.name)]


def check_free(path: Path) -> Path:
    """`path`, if it does not exist or is an empty folder; raises SegdataError otherwise."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise SegdataError(f"{path}: exists already; name another target, or delete it first")
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    return path


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                path.unlink()


ImageRow = Mapping[str, Any]  # of the columns of images; Any: cells of all types


@dataclass
class ImageCopies:
    """Copies image files below a folder.

    An image that is one file gets the name of its image_id; the file of slices or windows that of what they are part
    of, and the channels of an image keep their names.
    """

    folder: Path  # that they go to
    n_files: int = 0  # that were copied
    left: dict[str, list[str]] = field(default_factory=dict)  # why images were not copied, and which
    _copied: dict[Path, Path] = field(default_factory=dict, repr=False)  # source -> copy
    _taken: set[Path] = field(default_factory=set, repr=False)
    _refused: dict[str, str] = field(default_factory=dict, repr=False)  # store -> why

    def batch(self, batch: Batch) -> Batch:
        """The batch with the URIs of copied images."""
        rows = batch.images.select(["image_id", "uri", "channels"]).to_pylist()
        uris = [self._copy(row, row["uri"]) for row in rows]
        channels = [
            row["channels"] and [{**channel, "uri": self._copy(row, channel["uri"])} for channel in row["channels"]]
            for row in rows
        ]
        images = replace_column(replace_column(batch.images, "uri", uris), "channels", channels)
        return replace(batch, images=images)

    @property
    def remarks(self) -> tuple[str, ...]:
        """A line for each reason why files were not copied."""
        lines = []
        for reason, names in self.left.items():
            names = list(dict.fromkeys(names))
            shown = f"{names[0]}{', …' if len(names) > 1 else ''}"
            lines.append(f"{len(names):,} {'image' if len(names) == 1 else 'images'} not copied, {reason} ({shown})")
        return tuple(lines)

    def _copy(self, row: ImageRow, uri: str | None) -> str | None:
        """The URI of the copy of a file, or of the file itself if it was not copied."""
        path, reason = local_file(uri), "the file does not exist" if uri else "no file is known"
        if uri is not None and path is None:
            path, reason = self._stored_file(uri)
        if uri is None or path is None or not path.is_file():
            self.left.setdefault(reason, []).append(row["image_id"])
            return uri
        path = path.absolute()
        if path not in self._copied:
            target = self._free(self.folder / _copy_name(row, path), path)
            shutil.copyfile(path, with_folder(target))
            self._copied[path] = target.absolute()
            self.n_files += 1
        plain = str(path) if "#" not in uri and local_file(uri) is None else uri  # a store's file without a region
        return replace_file(plain, self._copied[path])

    def _stored_file(self, uri: str) -> tuple[Path | None, str]:
        """Copy a file from a store, or say why not; a store that refuses one file is not asked again."""
        url = uri.partition("#")[0]
        store = "/".join(url.split("/", 3)[:3])
        if uri.partition("://")[0] not in STORES:
            return None, "on another machine"
        if store in self._refused:
            return None, self._refused[store]
        try:
            return local_copy(url), ""
        except FileNotFoundError:
            return None, "the file does not exist"
        except SegdataError as error:
            self._refused[store] = str(error).removeprefix(f"{url}: ")
            return None, self._refused[store]

    def _free(self, target: Path, path: Path) -> Path:
        """`target`, in a separate folder if another file has its name."""
        number = 0
        while target in self._taken:
            number += 1
            target = self.folder / str(number) / path.name
        self._taken.add(target)
        return target


def _copy_name(row: ImageRow, path: Path) -> PurePosixPath:
    """The file name for a copy of an image file; a slice or window is named after its source."""
    image = PurePosixPath(row["image_id"])
    container = next((parent for parent in (image, *image.parents) if parent.name.endswith(path.suffix)), image)
    return container.with_name(path.name) if row["channels"] else container


def move_beside_masks(made: Path, image_of: Callable[[str], str | None]) -> None:
    """Move the copied images of a conversion to where programs look for the images of masks.

    `made` has them in `images`, and tells in `images.csv` which mask is whose; `image_of` gives the place of an image,
    without extension, by that of its mask; None: it stays.
    """
    path = made / INDEX_FILE
    records = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    for record in records:
        source = made / "images" / record["image"]
        place = image_of(record["mask"]) if record["mask"] and source.is_file() else None
        if place is None:
            continue
        target = made / f"{place}{source.suffix}"
        source.replace(with_folder(target))
        record["uri"] = relative_uri(str(target), made) or ""
    _write_index(path, records)
    for folder in sorted((made / "images").rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if (made / "images").is_dir() and not any((made / "images").iterdir()):
        (made / "images").rmdir()


def _write_index(path: Path, records: Iterable[Mapping[str, str]]) -> None:
    rows = list(records)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)


@dataclass
class WindowCrops(ImageCopies):
    """Crops the windows of a batch to image files below a folder; `n_files` counts them.

    PNG files of 8 or 16 bits with 1, 3 or 4 channels; TIFF files, which may hold floats too, where the source is one.
    Values that fit in neither are left out, and `remarks` names them.
    """

    _last: tuple[str, ChannelArray] | None = field(default=None, repr=False)  # the tiles of an image are consecutive

    def batch(self, batch: Batch) -> Batch:
        """The batch, with its images where their pictures are."""
        rows = batch.images.select(["image_id", "width", "height", "metadata"]).to_pylist()
        uris = []
        for row in rows:
            tile = read_tile(row["metadata"])
            assert tile is not None, "a window says what it is cut from"
            uris.append(self._crop(row["image_id"], tile, row["width"], row["height"]))
        return replace(batch, images=replace_column(batch.images, "uri", uris))

    @property
    def remarks(self) -> tuple[str, ...]:
        """A line for each reason why windows were not cropped."""
        return tuple(line.replace("not copied", "not cropped", 1) for line in super().remarks)

    def _crop(self, name: str, tile: Tile, width: int, height: int) -> str | None:
        """Write one window; returns its path, or None, and records the reason."""
        target = self.folder / name
        why = self._write_crop(target, tile, width, height)
        if why is not None:
            self.left.setdefault(why, []).append(tile.of)
            return None
        self.n_files += 1
        return str(target.absolute())

    def _write_crop(self, target: Path, tile: Tile, width: int, height: int) -> str | None:
        """Write one window; returns the reason if that is not possible, else None."""
        if tile.uri is None:
            return "no file is known"
        try:
            pixels = self._decode(tile.uri, (tile.height, tile.width))
        except FileNotFoundError:
            return "the file does not exist"
        except OSError as error:
            return f"the file cannot be read: {error.strerror or error}"
        except SegdataError as error:
            return str(error).partition(": ")[2]
        if pixels.shape[1:] != (tile.height, tile.width):
            return "the file has another size than its labels"
        picture = pixels[:, tile.y : tile.y + height, tile.x : tile.x + width]
        return _write_picture(np.ascontiguousarray(picture.transpose(1, 2, 0)), with_folder(target))

    def _decode(self, uri: str, size: tuple[int, int]) -> ChannelArray:
        if self._last is None or self._last[0] != uri:
            self._last = uri, read_channels(uri, size)
        return self._last[1]


def _write_picture(pixels: ChannelArray, target: Path) -> str | None:
    """Write an image (height, width, channels); returns the reason if that is not possible, else None."""
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    channels = pixels.shape[2]
    held: tuple[str, ...] = ("uint8", "uint16")
    if target.suffix == ".tif":
        held = (*held, "float32", "float64")
    if pixels.dtype.name not in held or channels not in (1, 3, 4):
        kind = "TIFF" if target.suffix == ".tif" else "PNG"
        return f"{count_noun(channels, 'channel')} of {pixels.dtype.name} fit in no {kind}"
    target.write_bytes(encode_image(pixels, target.suffix))
    return None
