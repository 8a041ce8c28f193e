"""Scene: one view of an image with its segments and the evidence of findings painted on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.finding import Finding
from segdata.core.finding_location import Annotation, FindingLocation, Points
from segdata.report.ground import Ground
from segdata.report.lettering import chip
from segdata.report.palette import SEVERITY
from segdata.report.view import Pixels, View

_STRIPES = np.array([(255, 235, 0), (15, 15, 15)], np.uint8)  # no category is striped: these are seen on any colour
_STRIPE = 4  # canvas pixels
_LARGE = 0.02  # of the canvas: larger areas are hatched with thin lines, so that the image stays visible below
_CHIPS = 60  # boxes that are numbered


@dataclass(frozen=True, slots=True)
class Marked:
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

    ground: Ground
    annotation: Annotation
    colors: Pixels
    marks: Sequence[Marked] = ()

    def seen(self, view: View, *, closely: bool = False) -> Image.Image:
        """The view with everything painted on; `closely`: without boxes and numbers, every evidence pixel striped."""
        picture = self._segments(view)
        self._stripes(picture, view, 1.0 if closely else _LARGE)
        image = Image.fromarray(picture)
        draw = ImageDraw.Draw(image)
        for mark in self.marks:
            _outlines(draw, view, mark.evidence)
        if not closely:
            for mark in reversed(self.marks):  # the worst are drawn last, over the others
                _box(draw, view, mark, numbered=0 < mark.number <= _CHIPS)
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


def _outlines(draw: ImageDraw.ImageDraw, view: View, evidence: FindingLocation) -> None:
    """The source's rings, marked points, and the declared box."""
    for ring in evidence.rings:
        line = [view.place(x, y) for x, y in np.concatenate([ring, ring[:1]]).tolist()]
        draw.line(line, fill=(0, 0, 0), width=4)
        draw.line(line, fill=(255, 235, 0), width=2)
    _crosses(draw, view, evidence.points)
    if evidence.declared is not None:
        left, top, right, bottom = view.rectangle(evidence.declared, 0, 2)
        _dashed(draw, (left, top, right, bottom))


def _crosses(draw: ImageDraw.ImageDraw, view: View, points: Points) -> None:
    for x, y in points.tolist():
        at_x, at_y = view.place(x, y)
        for width, color in ((6, (0, 0, 0)), (3, (255, 40, 200))):
            draw.line((at_x - 7, at_y - 7, at_x + 7, at_y + 7), fill=color, width=width)
            draw.line((at_x - 7, at_y + 7, at_x + 7, at_y - 7), fill=color, width=width)


def _dashed(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    for start, end, across in ((left, right, False), (top, bottom, True)):
        for at in np.arange(start, end, 12).tolist():
            stop = min(at + 7, end)
            for fixed in (left, right) if across else (top, bottom):
                line = (fixed, at, fixed, stop) if across else (at, fixed, stop, fixed)
                draw.line(line, fill=(255, 40, 200), width=3)


def _box(draw: ImageDraw.ImageDraw, view: View, mark: Marked, *, numbered: bool) -> None:
    """A rectangle around a finding in the colour of its severity, with its number."""
    if mark.evidence.box is None:
        return
    color = SEVERITY[mark.finding.severity]
    left, top, right, bottom = view.rectangle(mark.evidence.box, 4, 18)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(255, 255, 255), width=4)
    draw.rectangle((left, top, right, bottom), outline=color, width=2)
    if numbered:
        chip(draw, (max(left, 0), top - 19 if top >= 19 else bottom + 1), str(mark.number), color)
