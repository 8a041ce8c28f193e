"""Inset: a small finding enlarged, without and with its labels."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw

from segdata.core.finding_location import FindingLocation
from segdata.report.lettering import chip
from segdata.report.palette import SEVERITY
from segdata.report.scene import Marked, Scene
from segdata.report.view import View

SIDE = 208  # canvas pixels of one pane
WIDTH = 2 * SIDE + 4
_SMALL = 70  # canvas pixels: what is larger is seen well enough in the whole picture
_LEAST, _MOST = 22, 72  # image pixels that a pane shows across


def chosen(marks: Sequence[Marked], whole: View, most: int) -> list[Marked]:
    """The findings to enlarge, at most `most`: the small ones, of as many rules as there are."""
    small = [mark for mark in marks if mark.evidence.box is not None and is_small(mark.evidence, whole)]
    seen: dict[str, int] = {}
    turn = []
    for mark in small:
        seen[mark.finding.code] = seen.get(mark.finding.code, 0) + 1
        turn.append((seen[mark.finding.code], mark.number))
    first = sorted(range(len(small)), key=lambda at: turn[at])[:most]
    return [small[at] for at in sorted(first)]


def inset(scene: Scene, mark: Marked) -> Image.Image:
    """Two panes side by side: the image alone, and with everything painted on."""
    view = close(mark.evidence, scene.annotation.size)
    picture = Image.new("RGB", (WIDTH, SIDE), (255, 255, 255))
    ground = scene.ground.stretched(view)
    only = Scene(ground, scene.annotation, scene.colors, [mark])
    for at, pane in enumerate((Image.fromarray(ground.seen(view)), only.seen(view, closely=True))):
        picture.paste(pane.resize((SIDE, SIDE), Image.Resampling.NEAREST), (at * (SIDE + 4), 0))
    draw = ImageDraw.Draw(picture)
    chip(draw, (0, 0), f"{mark.number}  {mark.finding.code}", SEVERITY[mark.finding.severity])
    chip(draw, (0, SIDE - 19), f"x {view.x + view.width // 2}, y {view.y + view.height // 2}", (60, 60, 60))
    draw.rectangle((0, 0, WIDTH - 1, SIDE - 1), outline=SEVERITY[mark.finding.severity], width=2)
    return picture


def pasted(canvas: Image.Image, insets: Iterator[Image.Image], top: int, width: int) -> None:
    """Put the insets in rows, from `top` on, into the `width` leftmost pixels."""
    for number, picture in enumerate(insets):
        row, column = divmod(number, per_row(width))
        canvas.paste(picture, (column * (WIDTH + 12), top + row * (SIDE + 12)))


def per_row(width: int) -> int:
    """How many insets fit side by side into `width` canvas pixels."""
    return max(1, (width + 12) // (WIDTH + 12))


def is_small(evidence: FindingLocation, whole: View) -> bool:
    """Whether one has to look closer than this view: a small box, or pixels far fewer than those of their box.

    A declared box may be far from its segment: only the whole picture shows both.
    """
    if evidence.box is None or evidence.declared is not None:
        return False
    _, _, width, height = evidence.box
    n_pixels = int(evidence.runs.length.sum())
    n_points = len(evidence.points) if not n_pixels else 0
    fine = n_points > 0 or 0 < n_pixels * whole.scale**2 < _SMALL**2 / 4
    return fine or min(width, height) * whole.scale < _SMALL / 3 or max(width, height) * whole.scale < _SMALL


def close(evidence: FindingLocation, size: tuple[int, int]) -> View:
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
    view = View.around(int(middle_x), int(middle_y), side, SIDE)
    return view if len(evidence.points) else view.inside(*size)
