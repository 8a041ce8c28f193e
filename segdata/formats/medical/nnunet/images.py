"""nnU-Net images: copies of a dataset's images put where nnU-Net looks for them, as files that it can read.

It looks for `imagesTr/<case>_0000<ending>`, all with one ending, that of the labels; volumes become .nii.gz. Pictures
of other formats become PNG files, which hold the same pixels, and grey ones colours where others are. Source:
MIC-DKFZ/nnUNet nnunetv2/utilities/utils.py, nnunetv2/imageio/natural_image_reader_writer.py (one or three channels a
file).
"""

import gzip
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image, ImageOps

from segdata.core.errors import count_noun
from segdata.core.paths import absolute_uri, local_file, relative_uri, replace_file
from segdata.formats.medical.nifti.head import is_volume
from segdata.formats.medical.nifti.index import INDEX, Index, IndexImage, IndexVolume, write_index
from segdata.formats.medical.nnunet.datasetjson import NAME
from segdata.formats.shared.file_names import is_image_name
from segdata.formats.shared.images import open_image, read_header

_IMAGES = "imagesTr"
_GREY = frozenset({"1", "L", "I;16", "I;16B", "I;16L", "I"})
_UNKNOWN = {"0": "unknown"}  # channels that nobody named
_COLOURS = {"0": "R", "1": "G", "2": "B"}
Json = dict[str, Any]  # Any: JSON


def put_in_place(made: Path) -> tuple[str, ...]:
    """Move the copies of the cases' images from `images` to `imagesTr`; what has no place there is told, in sentences.

    Cases are then found by the names of their files, as every version of nnU-Net does, unless one of them has none.
    """
    said: Json = json.loads((made / NAME).read_text(encoding="utf-8"))
    ending = str(said["file_ending"])
    cases: dict[str, Json] = said["dataset"]
    copied = {name: [made / each for each in case["images"]] for name, case in cases.items()}
    fit = {name: files for name, files in copied.items() if files and all(_fits(each, ending) for each in files)}
    coloured = not is_volume(f"x{ending}") and any(_is_coloured(each) for files in fit.values() for each in files)
    where: dict[Path, Path] = {}
    (made / _IMAGES).mkdir(exist_ok=True)
    for name, files in fit.items():
        for number, file in enumerate(files):
            target = made / _IMAGES / f"{name}_{number:04d}{ending}"
            _put(file, target, made / cases[name]["label"], coloured)
            where[file.absolute()] = target.absolute()
        cases[name]["images"] = [where[file.absolute()].relative_to(made.absolute()).as_posix() for file in files]
    if len(fit) == len(cases):
        del said["dataset"]
    if coloured and said["channel_names"] == _UNKNOWN:
        said["channel_names"] = _COLOURS
    (made / NAME).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _reindex(made, where)
    _remove_empty(made / "images")
    lacking = [name for name in cases if name not in fit]
    if not lacking:
        return ()
    of = f"{count_noun(len(lacking), 'case')} ({lacking[0]}{', …' if len(lacking) > 1 else ''})"
    return (f"no image file in {_IMAGES} of {of}: nnU-Net reads one {ending} file a channel, or pictures",)


def _fits(file: Path, ending: str) -> bool:
    """Whether a file can become one with this ending."""
    return file.is_file() and (is_volume(file.name) if is_volume(f"x{ending}") else is_image_name(file.name))


def _is_coloured(file: Path) -> bool:
    with open_image(file) as image:
        return image.mode not in _GREY


def _put(file: Path, target: Path, label: Path, coloured: bool) -> None:
    """Move an image to its place; it becomes another file where it has another format, colours or turn than needed."""
    if is_volume(target.name):
        if file.name.endswith(".gz"):
            file.replace(target)
            return
        with file.open("rb") as plain, gzip.open(target, "wb") as packed:
            shutil.copyfileobj(plain, packed)
    else:
        drawn, head = read_header(label), read_header(file)
        turned = head.turned and (drawn.width, drawn.height) == (head.height, head.width)
        with open_image(file) as image:
            fits = image.format == "PNG" and (image.mode == "RGB" if coloured else image.mode in _GREY)
            if not fits or turned:
                picture: Image.Image = ImageOps.exif_transpose(image) if turned else image
                (picture.convert("RGB") if coloured else picture).save(target, exif=b"")
        if fits and not turned:
            file.replace(target)
            return
    file.unlink()


def _reindex(made: Path, where: Mapping[Path, Path]) -> None:
    """Say in volumes.json where the images are now."""
    index = msgspec.json.decode((made / INDEX).read_bytes(), type=Index)
    write_index(made, [_volume(each, made, where) for each in index.volumes], index.layers)


def _volume(volume: IndexVolume, made: Path, where: Mapping[Path, Path]) -> IndexVolume:
    def now(uri: str | None) -> str | None:
        whole = absolute_uri(uri, made)
        file = local_file(whole)
        target = where.get(file) if file is not None else None
        return uri if whole is None or target is None else relative_uri(replace_file(whole, target), made)

    def put(image: IndexImage) -> IndexImage:
        channels = image.channels and tuple({**each, "uri": now(each.get("uri"))} for each in image.channels)
        return msgspec.structs.replace(image, uri=now(image.uri), channels=channels)

    return msgspec.structs.replace(volume, images=tuple(map(put, volume.images)))


def _remove_empty(folder: Path) -> None:
    """Remove folders in which nothing is left."""
    if not folder.is_dir():
        return
    inner: Iterable[Path] = sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True)
    for each in (*inner, folder):
        if not any(each.iterdir()):
            each.rmdir()
