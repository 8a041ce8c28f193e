"""Scene: one view of an image with its segments and findings drawn on it, and small findings enlarged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Finding
from segdata.core.finding_location import Annotation, FindingLocation, Points
from segdata.report.background_image import BackgroundImage
from segdata.report.pictures.canvas import Pixels, View, draw_chip
from segdata.report.pictures.colours import SEVERITY_COLORS

_STRIPES = np.array([(255, 235, 0), (15, 15, 15)], np.uint8)  # no category is striped: these are seen on any colour
_STRIPE = 4  # canvas pixels
_LARGE_SHARE = 0.02  # of the canvas: larger areas are hatched with thin lines, so that the image stays visible below
_MOST_CHIPS = 60  # boxes that are numbered


@dataclass(frozen=True, slots=True)
class MarkedFinding:
    """A finding, its number in the list (0: none is shown), and what it speaks of."""

    number: int
    finding: Finding
    evidence: FindingLocation


@dataclass(frozen=True, slots=True)
class Scene:
    """An image, one annotation of it, and what was found there.

    Attributes
    ----------
    ground : the image
    annotation : the segments
    colors : (n_segments, 3) uint8
    marks : the findings
    """

    ground: BackgroundImage
    annotation: Annotation
    colors: Pixels
    marks: Sequence[MarkedFinding] = ()

    def seen(self, view: View, *, closely: bool = False) -> Image.Image:
        """The view with everything painted on; `closely`: without boxes and numbers, every evidence pixel striped."""
        picture = self._segments(view)
        self._stripes(picture, view, 1.0 if closely else _LARGE_SHARE)
        image = Image.fromarray(picture)
        draw = ImageDraw.Draw(image)
        for mark in self.marks:
            _draw_outlines(draw, view, mark.evidence)
        if not closely:
            for mark in reversed(self.marks):  # the worst are drawn last, over the others
                _draw_box(draw, view, mark, numbered=0 < mark.number <= _MOST_CHIPS)
        return image

    def _segments(self, view: View) -> Pixels:
        """The ground under translucent segments with solid outlines."""
        ground = self.ground.seen(view).astype(np.float32)
        height, _ = self.annotation.size
        labels = view.labels(self.annotation.batch.runs, height, self.annotation.batch.n_segments)
        palette = np.concatenate([np.zeros((1, 3), np.float32), self.colors.astype(np.float32)])
        strength = np.where(labels > 0, 0.30 if self.marks else 0.42, 0.0)[:, :, None]
        ground += (palette[labels] - ground) * strength
        edge = _edges(labels)
        outline = np.clip(palette[labels] * 1.15 + 20, 0, 255)
        ground[edge] = 0.25 * ground[edge] + 0.75 * outline[edge]
        return ground.astype(np.uint8)

    def _stripes(self, picture: Pixels, view: View, large: float) -> None:
        """Hazard stripes over the pixels that findings speak of; areas over this share of the canvas get thin lines."""
        height, _ = self.annotation.size
        diagonal = np.add.outer(np.arange(picture.shape[0]), np.arange(picture.shape[1]))
        close = np.zeros(picture.shape[:2], bool)
        wide = close.copy()
        for mark in self.marks:
            concerned = view.labels(mark.evidence.runs, height, 1) > 0
            wide |= concerned if concerned.mean() > large else False
            close |= concerned if concerned.mean() <= large else False
        turn = diagonal % (6 * _STRIPE)
        lines = (turn < _STRIPE) & wide & ~close
        picture[lines] = _STRIPES[(turn[lines] >= _STRIPE // 2).astype(int)]
        # Where a large area ends, so that its shape is seen.
        picture[_edges(wide.astype(np.int32)) & ~close] = _STRIPES[0]
        picture[close] = _STRIPES[(diagonal[close] // _STRIPE) % 2]


def _edges(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """The labelled pixels next to another label or none, to the right or below, on either side."""
    edge = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge & (labels > 0)


def _draw_outlines(draw: ImageDraw.ImageDraw, view: View, evidence: FindingLocation) -> None:
    """The source's rings, marked points, and the declared box."""
    for ring in evidence.rings:
        line = [view.place(x, y) for x, y in np.concatenate([ring, ring[:1]]).tolist()]
        draw.line(line, fill=(0, 0, 0), width=4)
        draw.line(line, fill=(255, 235, 0), width=2)
    _draw_crosses(draw, view, evidence.points)
    if evidence.declared is not None:
        left, top, right, bottom = view.rectangle(evidence.declared, 0, 2)
        _draw_dashed(draw, (left, top, right, bottom))


def _draw_crosses(draw: ImageDraw.ImageDraw, view: View, points: Points) -> None:
    for x, y in points.tolist():
        at_x, at_y = view.place(x, y)
        for width, color in ((6, (0, 0, 0)), (3, (255, 40, 200))):
            draw.line((at_x - 7, at_y - 7, at_x + 7, at_y + 7), fill=color, width=width)
            draw.line((at_x - 7, at_y + 7, at_x + 7, at_y - 7), fill=color, width=width)


def _draw_dashed(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    for start, end, across in ((left, right, False), (top, bottom, True)):
        for begin in np.arange(start, end, 12).tolist():
            stop = min(begin + 7, end)
            for fixed in (left, right) if across else (top, bottom):
                line = (fixed, begin, fixed, stop) if across else (begin, fixed, stop, fixed)
                draw.line(line, fill=(255, 40, 200), width=3)


def _draw_box(draw: ImageDraw.ImageDraw, view: View, mark: MarkedFinding, *, numbered: bool) -> None:
    """A rectangle around a finding in the colour of its severity, with its number."""
    if mark.evidence.box is None:
        return
    color = SEVERITY_COLORS[mark.finding.severity]
    left, top, right, bottom = view.rectangle(mark.evidence.box, 4, 18)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(255, 255, 255), width=4)
    draw.rectangle((left, top, right, bottom), outline=color, width=2)
    if numbered:
        draw_chip(draw, (max(left, 0), top - 19 if top >= 19 else bottom + 1), str(mark.number), color)


INSET_SIDE = 208  # canvas pixels of one pane
INSET_WIDTH = 2 * INSET_SIDE + 4
_SMALL_SIDE = 70  # canvas pixels: what is larger is seen well enough in the whole picture
_LEAST, _MOST = 22, 72  # image pixels that a pane shows across


def choose_insets(marks: Sequence[MarkedFinding], whole: View, most: int) -> list[MarkedFinding]:
    """The findings to enlarge, at most `most`: the small ones, of as many rules as there are."""
    small = [mark for mark in marks if mark.evidence.box is not None and needs_inset(mark.evidence, whole)]
    n_seen: dict[str, int] = {}
    turn = []
    for mark in small:
        n_seen[mark.finding.code] = n_seen.get(mark.finding.code, 0) + 1
        turn.append((n_seen[mark.finding.code], mark.number))
    first = sorted(range(len(small)), key=lambda number: turn[number])[:most]
    return [small[number] for number in sorted(first)]


def draw_inset(scene: Scene, mark: MarkedFinding) -> Image.Image:
    """Two panes side by side: the image alone, and with everything painted on."""
    view = close_view(mark.evidence, scene.annotation.size)
    picture = Image.new("RGB", (INSET_WIDTH, INSET_SIDE), (255, 255, 255))
    ground = scene.ground.stretched(view)
    only = Scene(ground, scene.annotation, scene.colors, [mark])
    for number, pane in enumerate((Image.fromarray(ground.seen(view)), only.seen(view, closely=True))):
        picture.paste(pane.resize((INSET_SIDE, INSET_SIDE), Image.Resampling.NEAREST), (number * (INSET_SIDE + 4), 0))
    draw = ImageDraw.Draw(picture)
    draw_chip(draw, (0, 0), f"{mark.number}  {mark.finding.code}", SEVERITY_COLORS[mark.finding.severity])
    draw_chip(draw, (0, INSET_SIDE - 19), f"x {view.x + view.width // 2}, y {view.y + view.height // 2}", (60, 60, 60))
    draw.rectangle((0, 0, INSET_WIDTH - 1, INSET_SIDE - 1), outline=SEVERITY_COLORS[mark.finding.severity], width=2)
    return picture


def paste_insets(canvas: Image.Image, insets: Iterator[Image.Image], top: int, width: int) -> None:
    """Put the insets in rows, from `top` on, into the `width` leftmost pixels."""
    for number, picture in enumerate(insets):
        row, column = divmod(number, insets_per_row(width))
        canvas.paste(picture, (column * (INSET_WIDTH + 12), top + row * (INSET_SIDE + 12)))


def insets_per_row(width: int) -> int:
    """How many insets fit side by side into `width` canvas pixels."""
    return max(1, (width + 12) // (INSET_WIDTH + 12))


def needs_inset(evidence: FindingLocation, whole: View) -> bool:
    """Whether one has to look closer than this view: a small box, or pixels far fewer than those of their box.

    A declared box may be far from its segment: only the whole picture shows both.
    """
    if evidence.box is None or evidence.declared is not None:
        return False
    _, _, width, height = evidence.box
    n_pixels = int(evidence.runs.length.sum())
    n_points = len(evidence.points) if not n_pixels else 0
    fine = n_points > 0 or 0 < n_pixels * whole.scale**2 < _SMALL_SIDE**2 / 4
    return fine or min(width, height) * whole.scale < _SMALL_SIDE / 3 or max(width, height) * whole.scale < _SMALL_SIDE


def close_view(evidence: FindingLocation, size: tuple[int, int]) -> View:
    """A close view of a finding in an image of this height and width.

    Of its marked point, or of the evidence next to the middle of its box; inside the frame where nothing is outside.
    """
    x, y, width, height = evidence.box or (0, 0, 1, 1)
    middle_x, middle_y = x + width / 2, y + height / 2
    side = int(np.clip(3 * max(width, height), _LEAST, _MOST))
    if len(evidence.points):
        middle_x, middle_y = evidence.points[0].tolist()
        side = _LEAST + 8
    elif len(evidence.runs) and max(width, height) > side // 2:
        run_x, top = np.divmod(evidence.runs.start, size[0])
        run_y = top + evidence.runs.length / 2
        nearest = int(np.argmin((run_x - middle_x) ** 2 + (run_y - middle_y) ** 2))
        middle_x, middle_y = float(run_x[nearest]), float(run_y[nearest])
    view = View.around(int(middle_x), int(middle_y), side, INSET_SIDE)
    return view if len(evidence.points) else view.inside(*size)


def load_annotations(data: OpenDataset, row: int) -> Iterator[tuple[str | None, Batch]]:
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
