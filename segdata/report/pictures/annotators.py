"""Pictures of several annotators' work: their outlines on the worst images, on findings and on examples."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.agreement.estimates import WorstImage
from segdata.agreement.scorecard import AnnotatorCard, WorstExample
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.executor import run_ordered
from segdata.core.finding import Box, Finding
from segdata.core.finding_location import named_segments
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints, bounding_boxes
from segdata.core.taxonomy import Color
from segdata.report.console import shorten
from segdata.report.pictures.canvas import BackgroundImage, View, draw_chip, outline, panes_side_by_side
from segdata.report.pictures.colors import ANNOTATOR_COLORS, annotator_color
from segdata.report.pictures.scene import data_uri, pictures_by_image

_DASH = 5  # canvas pixels of each colour in turn where several outlines coincide
_FADE = 0.25  # towards grey, so that outlines stand out from the image


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image, of known size, with the annotations of all annotators."""

    batch: Batch
    ground: BackgroundImage

    @staticmethod
    def from_batch(batch: Batch) -> "AnnotatedImage":
        """Open the image file of a batch of one image."""
        height, width = (int(side[0]) for side in batch.image_size)
        return AnnotatedImage(batch, BackgroundImage.from_uri(batch.images["uri"][0].as_py(), width, height))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.ground.height, self.ground.width

    def labels(self, view: View, annotator: str, categories: Collection[int] | None) -> NDArray[np.int32]:
        """(h, w): an annotator's segments of these category ids (None: of any), numbered from 1; 0: none."""
        names = self.batch.annotations["annotator"].to_pylist()
        is_own = np.isin(self.batch.segment_annotation, [row for row, name in enumerate(names) if name == annotator])
        if categories is not None:
            is_own &= np.isin(self.batch.segment_category, list(categories))
        part = self.batch.take_segments(np.flatnonzero(is_own))
        return view.labels(part.runs, self.size[0], part.n_segments)

    def render(self, view: View) -> Image.Image:
        """The image alone."""
        return Image.fromarray(self.ground.render(view))

    def render_outlines(
        self, view: View, annotators: Sequence[tuple[str, Color]], categories: Collection[int] | None
    ) -> Image.Image:
        """The image with the outlines of these annotators, each in a colour, in these categories."""
        picture = self.ground.render(view).astype(np.float32)
        picture += (picture.mean(axis=2, keepdims=True) * 0.5 + 64 - picture) * _FADE
        edges = np.stack([_wide_outline(self.labels(view, name, categories)) for name, _ in annotators])
        count = edges.sum(axis=0)
        rank = np.cumsum(edges, axis=0) - 1
        turn = np.add.outer(np.arange(picture.shape[0]), np.arange(picture.shape[1])) // _DASH
        picture[_widen(count > 0)] *= 0.4 if self.ground.image is not None else 0.8
        for k, (_, color) in enumerate(annotators):
            picture[edges[k] & (rank[k] == turn % np.maximum(count, 1))] = color
        return Image.fromarray(picture.clip(0, 255).astype(np.uint8))

    def names_at(
        self, finding: Finding, box: tuple[float, float, float, float], comparison: AnnotatorPairs
    ) -> dict[str, str]:
        """The category that each annotator gives most pixels of a finding's place, or "nothing".

        The place is the pixels of the segments that the finding names; else those where its annotator differs from most
        others in its category; else its box. A finding without a category has no place.
        """
        category_id = _ids(comparison).get(finding.category or "")
        if category_id is None and not finding.segments:
            return {}
        x, y, wide, high = (round(side) for side in box)
        view = View(x, y, max(1, wide), max(1, high), 1.0).inside(*self.size)
        names = self.batch.annotations["annotator"].to_pylist()
        named = _is_named(self.batch, finding)
        place = self._covered_pixels(view, named)
        if not place.any() and finding.bbox is None and finding.annotator in names:
            place = self._against_most(view, finding, _only(category_id))
        if not place.any():
            place[:] = True
        category = self.batch.segment_category
        name_of = {category.id: category.name for category in comparison.categories}
        category_of = {}
        for row, name in enumerate(names):
            rows = np.flatnonzero(self.batch.segment_annotation == row)
            part = self.batch.take_segments(rows)
            labels = view.labels(part.runs, self.size[0], part.n_segments)[place]
            codes = np.append(-1, category[rows])[labels]
            values, counts = np.unique(codes, return_counts=True)
            most = int(values[np.argmax(counts)])
            category_of[name] = name_of.get(most, "nothing")
        return category_of

    def _against_most(self, view: View, finding: Finding, categories: Collection[int] | None) -> Flags:
        """(h, w) whether the finding's annotator differs from most others in a category."""
        names = dict.fromkeys(self.batch.annotations["annotator"].to_pylist())
        others = [name for name in names if name != finding.annotator]
        most = 2 * np.sum([self.labels(view, name, categories) > 0 for name in others], axis=0) > len(others)
        own = self.labels(view, str(finding.annotator), categories) > 0
        flags: Flags = {"SEG401": most & ~own, "SEG402": own & ~most}.get(finding.code, own ^ most)
        return flags

    def _covered_pixels(self, view: View, is_covering: Flags) -> Flags:
        """(h, w) whether one of the chosen segments (n_segments,) covers a pixel."""
        part = self.batch.take_segments(np.flatnonzero(is_covering))
        flags: Flags = view.labels(part.runs, self.size[0], part.n_segments) > 0
        return flags

    def differing(
        self, view: View, one: str, other: str, categories: Collection[int] | None, *, by_segment: bool = False
    ) -> Flags:
        """(h, w) whether only one of two annotators has these categories; with `by_segment`, or has another segment."""
        first, second = (self.labels(view, name, categories) for name in (one, other))
        return _other_segments(first, second) if by_segment else (first > 0) ^ (second > 0)


def _other_segments(first: NDArray[np.int32], second: NDArray[np.int32]) -> Flags:
    """(h, w) the pixels that either has labelled, without segments that match at an IoU above 0.5.

    >>> _other_segments(np.array([[1, 1, 1, 2]]), np.array([[3, 3, 4, 4]])).tolist()
    [[False, False, True, True]]
    """
    wide = int(second.max(initial=0)) + 1
    cells, inverse, shared = np.unique(first.astype(np.int64) * wide + second, return_inverse=True, return_counts=True)
    a, b = np.divmod(cells, wide)
    area_a, area_b = np.bincount(a, shared), np.bincount(b, shared)
    same = (a > 0) & (b > 0) & (3 * shared > area_a[a] + area_b[b])
    apart = ~same & ((a > 0) | (b > 0))
    flags: Flags = apart[inverse].reshape(first.shape)
    return flags


def densest_square(flags: Flags, side: int) -> tuple[int, int]:
    """The centre (x, y) of the flags inside the square of this side that holds most of them.

    >>> densest_square(np.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]], bool), 4)
    (4, 1)
    """
    height, width = flags.shape
    tall, wide = min(side, height), min(side, width)
    total = np.zeros((height + 1, width + 1), np.int64)
    np.cumsum(np.cumsum(flags, axis=0), axis=1, out=total[1:, 1:])
    held = total[tall:, wide:] - total[:-tall, wide:] - total[tall:, :-wide] + total[:-tall, :-wide]
    y, x = divmod(int(np.argmax(held)), held.shape[1])
    inside = np.argwhere(flags[y : y + tall, x : x + wide])
    down, right = inside.mean(axis=0).tolist() if len(inside) else (tall / 2, wide / 2)
    return x + int(right), y + int(down)


def _wide_outline(labels: NDArray[np.int32]) -> Flags:
    """The outlines of labels, two canvas pixels wide."""
    return _widen(outline(labels)) & (labels > 0)


def _widen(flags: Flags) -> Flags:
    wide = flags.copy()
    wide[1:] |= flags[:-1]
    wide[:-1] |= flags[1:]
    wide[:, 1:] |= flags[:, :-1]
    wide[:, :-1] |= flags[:, 1:]
    return wide


EXAMPLES = 60  # pictures of annotators' worst examples
PANE = 340  # canvas pixels of a square pane of a worst image
_SMALL_PANE = 208  # canvas pixels of a pane of a finding
_WHOLE_SIDE = 420  # canvas pixels of the longer side of a whole image
_BOX_MARGIN = 1.7  # factor by which a view is larger than the finding's box
_MIN_VIEW_SIDE = 32  # image pixels
_TEXT_HEIGHT = 11  # canvas pixels
_OF_ALL_CATEGORIES = ("SEG403",)  # findings of which the outlines of all categories are shown
_MAX_DISPUTED_SHARE = 0.5  # of a close view
_CLOSE_FACTOR = 5  # side of a whole image over that of a close view


@dataclass(frozen=True, slots=True)
class WorstImagePictures:
    """The pictures of one of the worst images as `data:` URIs: the whole image, and a detail without and with outlines.

    `image` is its image_id, or for a volume the image_id of the slice that differs most.
    """

    worst_image: WorstImage
    image: str
    whole: str
    plain: str
    outlined: str
    has_image: bool


def worst_pictures(
    data: OpenDataset, comparison: AnnotatorPairs, worst: Sequence[WorstImage], jobs: int = 0
) -> list[WorstImagePictures]:
    """The pictures of some images, without images of unknown size."""
    pictures = run_ordered(lambda image: _worst(data, comparison, image), list(worst), jobs)
    return [picture for picture in pictures if picture is not None]


def finding_pictures(
    data: OpenDataset, tables: Tables, findings: Sequence[Finding], jobs: int = 0
) -> dict[Finding, str]:
    """Pictures of findings as `data:` URIs, in their order: the image alone, and with the outlines of all annotators.

    Outlines are those of the finding's category, or of all if it has none. Each of `jobs` threads holds one image in
    memory at a time.
    """
    comparison = tables.annotator_pairs
    assert comparison is not None
    frames = dict(zip(comparison.cases["image"].tolist(), comparison.cases["frames"].tolist(), strict=True))

    def draw(row: int, own: list[Finding]) -> list[tuple[Finding, str]]:
        if frames.get(row, 1) > 1:
            return _of_volume(data, np.arange(row, row + frames[row]), own, comparison)
        picture = _open_image(data.source.load(np.array([row])))
        return [] if picture is None else [(finding, _of_finding(picture, finding, comparison)) for finding in own]

    return pictures_by_image(data, findings, draw, jobs)


def shown_annotators(annotators: Sequence[str], involved: Sequence[str]) -> list[tuple[str, Color]]:
    """The annotators whose outlines are drawn, with colours; those involved first if there are too few colours."""
    if len(annotators) <= len(ANNOTATOR_COLORS):
        return [(name, annotator_color(k)) for k, name in enumerate(annotators)]
    first = [name for name in annotators if name in involved]
    shown = [*first, *(name for name in annotators if name not in involved)][: len(ANNOTATOR_COLORS)]
    return [(name, annotator_color(annotators.index(name))) for name in shown]


def _open_image(batch: Batch) -> AnnotatedImage | None:
    height, width = batch.image_size
    return None if height[0] == 0 or width[0] == 0 else AnnotatedImage.from_batch(batch)


def example_pictures(
    data: OpenDataset, comparison: AnnotatorPairs, cards: Sequence[AnnotatorCard], jobs: int = 0
) -> dict[tuple[str, WorstExample], str]:
    """Pictures of annotators' worst examples as `data:` URIs: the image alone, and with the outlines of the two."""
    case_of = {name: case for case, name in enumerate(comparison.cases["name"].tolist())}

    def draw(key: tuple[str, WorstExample]) -> str | None:
        who, example = key
        category = _ids(comparison)[example.category]
        picture = _picture(data, comparison, case_of[example.image], who, example.other, category)[1]
        if picture is None:
            return None
        every = shown_annotators(comparison.annotators, (who, example.other))
        both = [(name, color) for name, color in every if name in (who, example.other)]
        counted = comparison.category_is_counted(example.category)
        return _side_by_side(
            picture, _closely(picture, who, example.other, category, _SMALL_PANE, counted), both, {category}
        )

    keys = [(card.annotator, example) for card in cards for example in card.worst][:EXAMPLES]
    result = zip(keys, run_ordered(draw, keys, jobs), strict=True)
    return {key: picture for key, picture in result if picture is not None}


def _picture(
    data: OpenDataset, comparison: AnnotatorPairs, case: int, first: str, second: str, category: int
) -> tuple[int, AnnotatedImage | None]:
    """The row and the picture of a case's image, or of the slice of a volume on which two annotators differ most."""
    row, frames = (int(comparison.cases[name][case]) for name in ("image", "frames"))
    if frames > 1:
        row += _slice(data.source.load(np.arange(row, row + frames)), first, second, category)
    return row, _open_image(data.source.load(np.array([row])))


def _closely(picture: AnnotatedImage, first: str, second: str, category: int, pane: int, by_segment: bool) -> View:
    height, width = picture.size
    side = max(_MIN_VIEW_SIDE, max(height, width) // _CLOSE_FACTOR)
    whole = View(0, 0, width, height, 1.0)
    flags = picture.differing(whole, first, second, {category}, by_segment=by_segment)
    while True:  # in the midst of a large dispute there is no outline to be seen
        x, y = densest_square(flags, side)
        view = _near(x, y, side, picture.size, pane)
        inside = flags[view.y : view.y + view.height, view.x : view.x + view.width]
        if inside.mean() <= _MAX_DISPUTED_SHARE or side >= max(height, width):
            return view
        side = min(2 * side, max(height, width))


def _worst(data: OpenDataset, comparison: AnnotatorPairs, worst_image: WorstImage) -> WorstImagePictures | None:
    first, second = comparison.annotators[worst_image.a], comparison.annotators[worst_image.b]
    category = _ids(comparison)[worst_image.category]
    row, picture = _picture(data, comparison, worst_image.case, first, second, category)
    if picture is None:
        return None
    height, width = picture.size
    names = shown_annotators(comparison.annotators, (first, second))
    everything = View(0, 0, width, height, _WHOLE_SIDE / max(width, height))
    near = _closely(picture, first, second, category, PANE, comparison.category_is_counted(worst_image.category))
    whole = picture.render_outlines(everything, names, {category})
    _draw_frame(whole, everything, near)
    return WorstImagePictures(
        worst_image,
        str(data.source.image_ids[row]),
        whole=data_uri(whole),
        plain=data_uri(picture.render(near)),
        outlined=data_uri(picture.render_outlines(near, names, {category})),
        has_image=picture.ground.image is not None,
    )


def _of_volume(
    data: OpenDataset, rows: Ints, findings: Sequence[Finding], comparison: AnnotatorPairs
) -> list[tuple[Finding, str]]:
    """Draw a volume's findings, each on the slice where its annotator differs most from another."""
    batch, names, result = data.source.load(rows), comparison.annotators, []
    for finding in findings:
        others = [name for name in names if name != finding.annotator]
        if finding.annotator in names and others and finding.category is not None:
            code = _ids(comparison).get(finding.category)
            row = _slice(batch, finding.annotator or "", others[0], code)
            picture = _open_image(batch.take_images(np.array([row])))
            if picture is not None:
                result.append((finding, _of_finding(picture, replace(finding, bbox=None, segments=()), comparison)))
    return result


def _slice(batch: Batch, first: str, second: str, category: int | None) -> int:
    """The slice of a volume on which two annotators differ most."""
    differing = []
    for k in range(batch.images.num_rows):
        part = batch.take_images(np.array([k]))
        height, width = (int(side[0]) for side in part.image_size)
        image = AnnotatedImage(part, BackgroundImage(None, width, height))
        flags = (
            image.differing(View(0, 0, width, height, 1.0), first, second, _only(category)) if part.n_segments else None
        )
        differing.append(0 if flags is None else int(flags.sum()))
    return int(np.argmax(differing))


def _only(category: int | None) -> set[int] | None:
    return None if category is None else {category}


def _ids(comparison: AnnotatorPairs) -> dict[str, int]:
    return {category.name: category.id for category in comparison.categories}


def _near(x: int, y: int, side: int, size: tuple[int, int], pane: int) -> View:
    side = min(side, max(size))
    scale = pane / side
    return View(x - side // 2, y - side // 2, min(side, size[1]), min(side, size[0]), scale).inside(*size)


def _draw_frame(picture: Image.Image, view: View, part: View) -> None:
    box = view.rectangle((part.x, part.y, part.width, part.height), 1, 8)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(box, outline=(255, 255, 255), width=3)
    draw.rectangle(box, outline=(0, 0, 0), width=1)


def _of_finding(picture: AnnotatedImage, finding: Finding, comparison: AnnotatorPairs) -> str:
    category = _ids(comparison).get(finding.category or "")
    x, y, wide, high = finding.bbox or _box(picture, finding, category)
    side = int(max(_BOX_MARGIN * max(wide, high), _MIN_VIEW_SIDE))
    view = _near(int(x + wide / 2), int(y + high / 2), side, picture.size, _SMALL_PANE)
    names = shown_annotators(comparison.annotators, [finding.annotator] if finding.annotator else [])
    shown = None if finding.code in _OF_ALL_CATEGORIES else _only(category)
    return _side_by_side(picture, view, names, shown, picture.names_at(finding, (x, y, wide, high), comparison))


def _side_by_side(
    picture: AnnotatedImage,
    view: View,
    names: Sequence[tuple[str, Color]],
    categories: set[int] | None,
    called: Mapping[str, str] | None = None,
) -> str:
    """The image alone and with outlines, with the annotators' categories of the place, unless all agree."""
    panes = [picture.render(view)] if picture.ground.image is not None else []
    panes.append(picture.render_outlines(view, names, categories))
    result = panes_side_by_side(panes, _SMALL_PANE)
    if called and len(set(called.values())) > 1:
        _draw_names(result, result.width - _SMALL_PANE, names, called)
    return data_uri(result)


def _draw_names(pane: Image.Image, left: int, names: Sequence[tuple[str, Color]], called: Mapping[str, str]) -> None:
    """Write each annotator's category of the place, a line each in the annotator's colour, from `left` on."""
    draw, line = ImageDraw.Draw(pane), _TEXT_HEIGHT + 7
    listed = [(name, color) for name, color in names if name in called][: max(1, pane.height // line - 3)]
    for k, (name, color) in enumerate(listed):
        text = f"{shorten(name, 12)}: {shorten(called[name], 18)}"
        dark = (color[0] * 2 // 3, color[1] * 2 // 3, color[2] * 2 // 3)  # white letters must stand out
        draw_chip(draw, (left + 1, pane.height - line * (len(listed) - k)), text, dark, _TEXT_HEIGHT)


def _is_named(batch: Batch, finding: Finding) -> Flags:
    """(n_segments,) whether a finding gives the id of each segment."""
    named = np.zeros(batch.n_segments, bool)
    named[named_segments(batch, finding)] = True
    return named


def _box(picture: AnnotatedImage, finding: Finding, category: int | None) -> Box:
    """The box of the segments that a finding without a box names: of its annotator, or else of any annotator."""
    height, width = picture.size
    segments = picture.batch.segments
    named = _is_named(picture.batch, finding)
    if category is not None:
        named &= segments["category_id"].to_numpy() == category
    annotator = np.array(picture.batch.annotations["annotator"].to_pylist(), object)[picture.batch.segment_annotation]
    is_named = named & (annotator == finding.annotator)
    rows = np.flatnonzero(is_named if is_named.any() else named)
    if not len(rows):
        return 0, 0, width, height
    part = picture.batch.take_segments(rows)
    x, y, wide, high = bounding_boxes(part.runs, np.full(part.n_segments, height), part.n_segments)
    left, top = int(x.min()), int(y.min())
    return left, top, int((x + wide).max()) - left, int((y + high).max()) - top
