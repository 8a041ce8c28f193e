"""Overlays: pictures of images with segments, findings, enlarged details and a legend, as PNG files."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from segdata.core.atomic_files import replace_whole
from segdata.core.batch import Batch
from segdata.core.config import did_you_mean
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.executor import no_progress
from segdata.core.finding import Finding
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.paths import is_unsafe_path
from segdata.core.profile import Profile
from segdata.core.taxonomy import Color
from segdata.core.validation import FixedImage
from segdata.report.console import Console
from segdata.report.pictures.canvas import BackgroundImage, View, draw_chip, fold_text, font
from segdata.report.pictures.colors import SEVERITY_COLORS, category_colors, segment_colors
from segdata.report.pictures.scene import (
    INSET_SIDE,
    MarkedFinding,
    Scene,
    choose_insets,
    draw_inset,
    insets_per_row,
    load_annotations,
    paste_insets,
)

_MAX_INSETS = 8
_MIN_PICTURE_WIDTH = 640  # canvas pixels, so that insets fit below


def draw_overlay(batch: Batch, profile: Profile, findings: Sequence[Finding] = ()) -> Image.Image:
    """Draw a batch of one image, of known size, with at most one annotation.

    On the left is the image with translucent segments, the pixels of findings striped in black and yellow, and boxes in
    the colour of the severity; below it are small findings, enlarged, without and with labels; on the right the legend.
    """
    annotation = Annotation(batch)
    height, width = annotation.size
    category_id = batch.segment_category
    uri = batch.images["uri"][0].as_py()
    colors = segment_colors(category_id, profile.taxonomy, profile.task)
    marks = [
        MarkedFinding(number, finding, locate_finding(annotation, finding))
        for number, finding in enumerate(findings, start=1)
    ]
    scene = Scene(BackgroundImage.from_uri(uri, width, height), annotation, colors, marks)
    view = View.whole(width, height)
    picture = scene.render(view)
    closer = choose_insets(marks, view, _MAX_INSETS)
    left = max(picture.width, _MIN_PICTURE_WIDTH)
    rows = -(-len(closer) // insets_per_row(left))
    below = picture.height + 12
    total = below + rows * (INSET_SIDE + 12)
    side = draw_legend(
        str(batch.images["image_id"][0].as_py()),
        _notes(batch, scene),
        _legend_entries(category_id, profile),
        marks,
        total,
        with_ids=profile.task != "semantic",  # in semantic data the id is that of the category
    )
    canvas = Image.new("RGB", (left + side.width, side.height), (255, 255, 255))
    canvas.paste(picture, (0, 0))
    paste_insets(canvas, (draw_inset(scene, mark) for mark in closer), below, left)
    canvas.paste(side, (left, 0))
    return canvas


def _notes(batch: Batch, scene: Scene) -> list[str]:
    height, width = scene.annotation.size
    notes = [f"{width} x {height} px, {count_noun(batch.n_segments, 'segment')}"]
    if batch.annotations.num_rows and (annotator := batch.annotations["annotator"][0].as_py()):
        notes.append(f"by {annotator}")
    if not batch.annotations.num_rows:
        notes.append("not annotated")
    return notes + ([scene.ground.note] if scene.ground.note else [])


def _legend_entries(category_id: np.ndarray[tuple[int], np.dtype[np.int64]], profile: Profile) -> "list[LegendEntry]":
    colors = category_colors(profile.taxonomy)
    counted = Counter(category_id.tolist()).most_common()
    return [
        LegendEntry(_category_title(profile.name_of(id_)), colors.get(id_, (255, 255, 255)), count)
        for id_, count in counted
    ]


def _category_title(name: str) -> str:
    """The category's name, or "category 7" if it has only a number."""
    return f"category {name}" if name.isdigit() else name


LEGEND_WIDTH = 400
_MARGIN, _LINE = 14, 17
_DARK, _GREY = (25, 25, 25), (110, 110, 110)


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A category in the legend: its name, colour and number of segments."""

    name: str
    color: Color
    count: int


def draw_legend(
    title: str,
    notes: Sequence[str],
    entries: Sequence[LegendEntry],
    marks: Sequence[MarkedFinding],
    least: int,
    *,
    with_ids: bool,
) -> Image.Image:
    """Draw a panel, at least `least` pixels high, with the title, notes, findings and categories.

    Entries that do not fit are counted; findings get at most two thirds of the room. `with_ids`: findings name their
    segments.
    """
    height = max(least, 520)
    panel = Image.new("RGB", (LEGEND_WIDTH, height), (255, 255, 255))
    draw = ImageDraw.Draw(panel)
    y = _draw_lines(draw, title, 8, 16, _DARK, bold=True)
    for note in notes:
        y = _draw_lines(draw, note, y, 12, _GREY)
    room = height - min(len(entries), 14) * (_LINE + 3) - 40
    lines = [_finding_text(mark.finding, with_ids) for mark in marks]
    y = _draw_findings(draw, marks, lines, y + 8, max(room, height * 2 // 3))
    _draw_categories(draw, entries, y + 8, height)
    return panel


def _finding_text(finding: Finding, with_ids: bool) -> str:
    ids = ", ".join(map(str, finding.segments[:3])) if with_ids or not finding.category else ""
    return ": ".join(filter(None, [" ".join(filter(None, [finding.category, ids])), finding.message]))


def _draw_findings(
    draw: ImageDraw.ImageDraw, marks: Sequence[MarkedFinding], texts: Sequence[str], y: int, bottom: int
) -> int:
    for number, (mark, text) in enumerate(zip(marks, texts, strict=True)):
        finding = mark.finding
        needed = 24 + _LINE * len(fold_text(text, font(12), LEGEND_WIDTH - 2 * _MARGIN))
        if y + needed > bottom - 20 and number:
            return _draw_lines(draw, f"… and {count_noun(len(marks) - number, 'more finding')}", y, 12, _GREY)
        width = draw_chip(draw, (_MARGIN, y), f"{mark.number}", SEVERITY_COLORS[finding.severity])
        draw.text((_MARGIN + width + 6, y + 2), f"{finding.code} {finding.rule}", fill=_DARK, font=font(13, bold=True))
        y = _draw_lines(draw, text, y + 22, 12, _DARK) + 4
    return y


def _draw_categories(draw: ImageDraw.ImageDraw, entries: Sequence[LegendEntry], y: int, bottom: int) -> None:
    for number, entry in enumerate(entries):
        if y + 2 * (_LINE + 3) > bottom and number < len(entries) - 1:
            _draw_lines(draw, f"… and {count_noun(len(entries) - number, 'more category')}", y, 12, _GREY)
            return
        draw.rectangle((_MARGIN, y, _MARGIN + 20, y + 14), fill=entry.color, outline=_DARK)
        name = fold_text(f"{entry.name}  ({entry.count:,})", font(12), LEGEND_WIDTH - 2 * _MARGIN - 28)
        draw.text((_MARGIN + 28, y), name[0] if name else "", fill=_DARK, font=font(12))
        y += _LINE + 3


def _draw_lines(draw: ImageDraw.ImageDraw, text: str, y: int, size: int, color: Color, *, bold: bool = False) -> int:
    """Draw wrapped text from `y` on; returns the y of the next line."""
    face = font(size, bold)
    for line in fold_text(text, face, LEGEND_WIDTH - 2 * _MARGIN):
        draw.text((_MARGIN, y), line, fill=color, font=face)
        y += size + 5
    return y


MOST = 50  # images that `--overlays` draws


def draw_findings(
    data: OpenDataset, findings: Sequence[Finding], folder: Path, progress: Callable[[int], None] = no_progress
) -> str:
    """Draw the first `MOST` images with findings, worst first, into a folder; returns a sentence about the files."""
    concerned = list(dict.fromkeys(finding.image for finding in findings if finding.image is not None))
    image_ids = set(data.image_ids)
    n_drawn, left_out = 0, 0
    for image_id in concerned:
        if image_id not in image_ids:
            continue
        if n_drawn >= MOST:
            left_out += 1
            continue
        n_drawn += bool(draw_image(data, image_id, findings, folder))
        progress(1)
    more = f"; {count_noun(left_out, 'more image')} with findings not drawn" if left_out else ""
    return f"{count_noun(n_drawn, 'picture')} in {folder}{more}" if n_drawn else "no image with findings could be drawn"


def draw_image(data: OpenDataset, image_id: str, findings: Iterable[Finding], folder: Path) -> list[Path]:
    """Draw every annotation of one image with its findings; returns the files, none if the size is unknown.

    Files are named after the image, with its folders and .png, and after the annotators if there are several.
    """
    own = [finding for finding in findings if finding.image == image_id]
    image_ids = list(data.source.image_ids)
    written = []
    for name, batch in load_annotations(data, image_ids.index(image_id)):
        shown = [finding for finding in own if finding.annotator is None or finding.annotator == name]
        suffix = f".{quote(name, safe=' ')}" if name else ""
        # "a.png" is called as it is, unless an image "a" has that name for its picture.
        is_png = not suffix and image_id.endswith(".png") and image_id.removesuffix(".png") not in image_ids
        path = folder / f"{path_inside_folder(image_id)}{suffix}{'' if is_png else '.png'}"
        save_png(draw_overlay(batch, data.profile, shown), path)
        written.append(path)
    return written


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a PNG file completely or not at all; raises SegdataError if another program's file is there."""
    if path.exists() and not _is_ours(path):
        raise SegdataError(f"{path}: exists already and is no picture of segdata; name another folder")
    maker = PngImagePlugin.PngInfo()
    maker.add_text("Software", "segdata")
    with replace_whole(path, durable=False) as partial:
        picture.save(partial, format="PNG", compress_level=3, pnginfo=maker)


def _is_ours(path: Path) -> bool:
    """Whether `save_png` wrote this file, so that it may be replaced."""
    with path.open("rb") as file:
        return b"tEXtSoftware\0segdata" in file.read(128)


def find_image(data: OpenDataset, name: str) -> str:
    """Find an image by its id, or by the end or stem of its id; raises SegdataError if there is none, or several."""
    ids = list(dict.fromkeys(data.image_ids))
    if name in ids:
        return name
    ending = name.replace("\\", "/").lstrip("./")
    near = [
        image_id
        for image_id in ids
        if ending.endswith(f"/{image_id}") or image_id.endswith(f"/{ending}") or _stem(image_id) == ending
    ]
    if len(near) == 1:
        return near[0]
    if near:
        raise SegdataError(f"{name!r} may be {', '.join(map(repr, near[:4]))}: say which")
    hint = did_you_mean(name, ids) or (f"; there are, for example, {', '.join(map(repr, ids[:3]))}" if ids else "")
    raise SegdataError(f"no image {name!r} in {data.profile.files}{hint}")


def path_inside_folder(image_id: str) -> str:
    """An image_id as a path below a folder; an id that would lead out of it loses its folders."""
    return quote(image_id, safe=" ") if is_unsafe_path(image_id) else image_id


def _stem(image_id: str) -> str:
    return image_id.rpartition("/")[2].rpartition(".")[0]


def fix_lines(image: FixedImage, profile: Profile, console: Console) -> Iterator[str]:
    """The changes of an image: each finding that is fixed, then each segment before (-) and after (+)."""
    yield console.paint(image.image_id, "bold")
    for fix in image.mended:
        subject = "".join(f" {part}" for part in (fix.finding.category, *fix.finding.segments) if part is not None)
        name = f"{fix.finding.code} {fix.finding.rule}{subject}"
        yield from console.wrap(f"{name}: {fix.finding.message}", "  ", "    ")
    before, after = _segment_lines(image.before, profile), _segment_lines(image.after, profile)
    yield from (console.paint(f"  - {line}", "error") for line in _without(before, after))
    yield from (console.paint(f"  + {line}", "good") for line in _without(after, before))


def _without(lines: Iterable[str], others: Iterable[str]) -> Iterator[str]:
    """The lines without the others, each of which stands for one."""
    left = Counter(others)
    for line in lines:
        if left[line]:
            left[line] -= 1
        else:
            yield line


def draw_fix(image: FixedImage, profile: Profile, folder: Path) -> None:
    """Draw the image before, with its findings, and after its fixes side by side, as a PNG file for each annotator."""
    pairs = list(zip(Annotation.split_batch(image.before), Annotation.split_batch(image.after), strict=True))
    for before, after in pairs:
        findings = [fix.finding for fix in image.mended if fix.finding.annotator in (None, before.annotator)]
        name = f"{path_inside_folder(image.image_id)}{f'.{before.annotator}' if len(pairs) > 1 else ''}.png"
        save_png(
            _side_by_side(draw_overlay(before.batch, profile, findings), draw_overlay(after.batch, profile, ())),
            folder / name,
        )


def _segment_lines(batch: Batch, profile: Profile) -> list[str]:
    """A line for each segment: category, id, pixels, and whether it has a polygon."""
    areas = batch.runs.areas(batch.n_segments).tolist()
    names = ("category_id", "segment_id", "source_id", "rings")
    columns = zip(*(batch.segments[name].to_pylist() for name in names), strict=True)
    return [
        f"{profile.name_of(category)} {id_ if own_id is None else own_id}: {area:,} px{', polygon' if rings else ''}"
        for (category, id_, own_id, rings), area in zip(columns, areas, strict=True)
    ]


def _side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    gap = 8
    both = Image.new("RGB", (left.width + gap + right.width, max(left.height, right.height)), "white")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + gap, 0))
    return both
