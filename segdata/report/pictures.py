"""Pictures: overlays of the images that have findings, as PNG files in a folder."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image, PngImagePlugin

from segdata.core.batch import Batch
from segdata.core.config import did_you_mean
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Finding
from segdata.core.finding_location import Annotation
from segdata.core.paths import is_unsafe_path
from segdata.report.overlay import overlay

MOST = 50  # images that `--overlays` draws


def draw_findings(
    data: OpenDataset, findings: Sequence[Finding], folder: Path, progress: Callable[[int], None] = lambda done: None
) -> str:
    """Draw the first `MOST` images that have findings, the worst first, into a folder; says what was drawn."""
    concerned = list(dict.fromkeys(finding.image for finding in findings if finding.image is not None))
    known = set(data.image_ids)
    drawn, left_out = 0, 0
    for image_id in concerned:
        if image_id not in known:
            continue
        if drawn >= MOST:
            left_out += 1
            continue
        drawn += bool(draw_image(data, image_id, findings, folder))
        progress(1)
    more = f"; {left_out:,} more images with findings are not drawn" if left_out else ""
    return f"{count_noun(drawn, 'picture')} in {folder}{more}" if drawn else "no image with findings could be drawn"


def draw_image(data: OpenDataset, image_id: str, findings: Iterable[Finding], folder: Path) -> list[Path]:
    """Draw every annotation of one image with its findings; returns the files, none where the size is unknown.

    The files are called as the image, with its folders, and where there are several annotators as these too.
    """
    about = [finding for finding in findings if finding.image == image_id]
    written = []
    for name, batch in annotations_of(data, list(data.source.image_ids).index(image_id)):
        mine = [each for each in about if each.annotator is None or each.annotator == name]
        suffix = f".{quote(name, safe=' ')}" if name else ""
        path = folder / f"{inside_folder(image_id)}{suffix}.png"
        save(overlay(batch, data.profile, mine), path)
        written.append(path)
    return written


def save(picture: Image.Image, path: Path) -> None:
    """Write a PNG file that is there whole or not at all."""
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not _is_ours(path):
        raise SegdataError(f"{path}: is there already, and no picture of segdata; name another folder")
    partial = path.with_name(f".{path.name}.partial")
    maker = PngImagePlugin.PngInfo()
    maker.add_text("Software", "segdata")
    try:
        picture.save(partial, format="PNG", compress_level=3, pnginfo=maker)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    """Whether a file is a picture that `save` wrote, which may be written again."""
    with path.open("rb") as file:
        return b"tEXtSoftware\0segdata" in file.read(128)


def image_named(data: OpenDataset, name: str) -> str:
    """The image_id that a user means by an id, or by the end or the stem of one; raises SegdataError otherwise."""
    ids = list(dict.fromkeys(data.image_ids))
    if name in ids:
        return name
    wanted = name.replace("\\", "/").lstrip("./")
    near = [each for each in ids if wanted.endswith(f"/{each}") or each.endswith(f"/{wanted}") or _stem(each) == wanted]
    if len(near) == 1:
        return near[0]
    if near:
        raise SegdataError(f"{name!r} may be {', '.join(map(repr, near[:4]))}: say which")
    hint = did_you_mean(name, ids) or (f"; there are, for example, {', '.join(map(repr, ids[:3]))}" if ids else "")
    raise SegdataError(f"no image {name!r} in {data.profile.files}{hint}")


def annotations_of(data: OpenDataset, row: int) -> Iterator[tuple[str | None, Batch]]:
    """Each annotation of one of the source's images as a batch of its own, with the annotator where there are several.

    None at all where the size of the image is unknown.
    """
    batch = data.source.load(np.array([row]))
    height, width = batch.image_size
    if height[0] == 0 or width[0] == 0:
        return
    if batch.annotations.num_rows < 2:
        yield None, batch
        return
    for annotation in Annotation.each(batch):
        yield str(annotation.annotator), annotation.batch


def inside_folder(image_id: str) -> str:
    """An image_id as a path below some folder; one that would lead out of it loses its folders."""
    return quote(image_id, safe=" ") if is_unsafe_path(image_id) else image_id


def _stem(image_id: str) -> str:
    return image_id.rpartition("/")[2].rpartition(".")[0]
