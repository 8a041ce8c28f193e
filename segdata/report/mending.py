"""Mending: what fixes change, as text and as pictures."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from segdata.core.batch import Batch
from segdata.core.finding_location import Annotation
from segdata.core.profile import Profile
from segdata.core.validation import FixedImage
from segdata.report.overlay import overlay
from segdata.report.paper import Paper
from segdata.report.pictures import inside_folder, save


def lines(image: FixedImage, profile: Profile, paper: Paper) -> Iterator[str]:
    """What changes in an image: each finding that is mended, then each segment before (-) and after (+)."""
    yield paper.paint(image.image_id, "bold")
    for each in image.mended:
        whose = "".join(f" {part}" for part in (each.finding.category, *each.finding.segments) if part is not None)
        name = f"{each.finding.code} {each.finding.rule}{whose}"
        yield from paper.wrap(f"{name}: {each.finding.message}", "  ", "    ")
    before, after = _listed(image.before, profile), _listed(image.after, profile)
    rest = list(after)
    for line in before:
        if line in rest:
            rest.remove(line)
        else:
            yield paper.paint(f"  - {line}", "error")
    unchanged = list(before)
    for line in after:
        if line in unchanged:
            unchanged.remove(line)
        else:
            yield paper.paint(f"  + {line}", "good")


def draw(image: FixedImage, profile: Profile, folder: Path) -> None:
    """The image before, with its findings, and after, side by side as PNG files in a folder; one an annotator."""
    pairs = list(zip(Annotation.each(image.before), Annotation.each(image.after), strict=True))
    for before, after in pairs:
        mine = [each.finding for each in image.mended if each.finding.annotator in (None, before.annotator)]
        name = f"{inside_folder(image.image_id)}{f'.{before.annotator}' if len(pairs) > 1 else ''}.png"
        save(_beside(overlay(before.batch, profile, mine), overlay(after.batch, profile, ())), folder / name)


def _listed(batch: Batch, profile: Profile) -> list[str]:
    """A line for each segment: category, id and pixels, and whether it knows its polygon."""
    areas = batch.runs.areas(batch.n_segments).tolist()
    names = ("category_id", "segment_id", "source_id", "rings")
    columns = zip(*(batch.segments[name].to_pylist() for name in names), strict=True)
    return [
        f"{profile.name_of(category)} {number if own is None else own}: {area:,} px{', polygon' if rings else ''}"
        for (category, number, own, rings), area in zip(columns, areas, strict=True)
    ]


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    gap = 8
    both = Image.new("RGB", (left.width + gap + right.width, max(left.height, right.height)), "white")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + gap, 0))
    return both
