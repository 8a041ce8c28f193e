"""Scene: one view of an image with its segments and findings drawn on it, small findings enlarged, and thumbnails."""

import base64
import io
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.executor import no_progress, run_ordered
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.finding_location import Annotation, FindingLocation, Points, locate_finding
from segdata.core.profile import Profile
from segdata.core.validation import Validation
from segdata.report.pictures.canvas import BackgroundImage, Pixels, View, draw_chip, outline, panes_side_by_side
from segdata.report.pictures.colors import SEVERITY_COLORS, segment_colors

_STRIPE_COLORS = np.array([(255, 235, 0), (15, 15, 15)], np.uint8)  # visible on any category's colour
_STRIPE_WIDTH = 4  # canvas pixels
_LARGE_SHARE = 0.02  # of the canvas: larger areas get thin lines, so that the image stays visible
_MAX_NUMBERED = 60  # boxes


@dataclass(frozen=True, slots=True)
class MarkedFinding:
    """A finding, its number in the list (0: not numbered), and its location."""

    number: int
    finding: Finding
    location: FindingLocation


@dataclass(frozen=True, slots=True)
class Scene:
    """An image with one annotation and its findings, to draw."""

    ground: BackgroundImage
    annotation: Annotation
    colors: Pixels  # (n_segments, 3) uint8
    marks: Sequence[MarkedFinding] = ()  # the findings

    def render(self, view: View, *, closely: bool = False) -> Image.Image:
        """Render a view with segments and findings; `closely`: without boxes and numbers, all pixels striped."""
        picture = self._segments(view)
        self._stripes(picture, view, 1.0 if closely else _LARGE_SHARE)
        image = Image.fromarray(picture)
        draw = ImageDraw.Draw(image)
        for mark in self.marks:
            _draw_outlines(draw, view, mark.location)
        if not closely:
            for mark in reversed(self.marks):  # the worst are drawn last, over the others
                _draw_box(draw, view, mark, numbered=0 < mark.number <= _MAX_NUMBERED)
        return image

    def _segments(self, view: View) -> Pixels:
        """Render the image with translucent segments and solid outlines."""
        ground = self.ground.render(view).astype(np.float32)
        height, _ = self.annotation.size
        labels = view.labels(self.annotation.batch.runs, height, self.annotation.batch.n_segments)
        palette = np.concatenate([np.zeros((1, 3), np.float32), self.colors.astype(np.float32)])
        strength = np.where(labels > 0, 0.30 if self.marks else 0.42, 0.0)[:, :, None]
        ground += (palette[labels] - ground) * strength
        edge = outline(labels)
        line = np.clip(palette[labels] * 1.15 + 20, 0, 255)
        ground[edge] = 0.25 * ground[edge] + 0.75 * line[edge]
        return ground.astype(np.uint8)

    def _stripes(self, picture: Pixels, view: View, large: float) -> None:
        """Stripe the pixels of findings; areas above this share of the canvas get thin lines."""
        height, _ = self.annotation.size
        diagonal = np.add.outer(np.arange(picture.shape[0]), np.arange(picture.shape[1]))
        close = np.zeros(picture.shape[:2], bool)
        wide = close.copy()
        for mark in self.marks:
            concerned = view.labels(mark.location.runs, height, 1) > 0
            wide |= concerned if concerned.mean() > large else False
            close |= concerned if concerned.mean() <= large else False
        turn = diagonal % (6 * _STRIPE_WIDTH)
        lines = (turn < _STRIPE_WIDTH) & wide & ~close
        picture[lines] = _STRIPE_COLORS[(turn[lines] >= _STRIPE_WIDTH // 2).astype(int)]
        # Outline large areas, so that their shape is visible.
        picture[outline(wide.astype(np.int32)) & ~close] = _STRIPE_COLORS[0]
        picture[close] = _STRIPE_COLORS[(diagonal[close] // _STRIPE_WIDTH) % 2]


def _draw_outlines(draw: ImageDraw.ImageDraw, view: View, location: FindingLocation) -> None:
    for ring in location.rings:
        line = [view.place(x, y) for x, y in np.concatenate([ring, ring[:1]]).tolist()]
        draw.line(line, fill=(0, 0, 0), width=4)
        draw.line(line, fill=(255, 235, 0), width=2)
    _draw_crosses(draw, view, location.points)
    if location.declared is not None:
        left, top, right, bottom = view.rectangle(location.declared, 0, 2)
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
    if mark.location.box is None:
        return
    color = SEVERITY_COLORS[mark.finding.severity]
    left, top, right, bottom = view.rectangle(mark.location.box, 4, 18)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(255, 255, 255), width=4)
    draw.rectangle((left, top, right, bottom), outline=color, width=2)
    if numbered:
        draw_chip(draw, (max(left, 0), top - 19 if top >= 19 else bottom + 1), str(mark.number), color)


INSET_SIDE = 208  # canvas pixels of one pane
INSET_WIDTH = 2 * INSET_SIDE + 4
_INSET_MAX_SIDE = 70  # canvas pixels: larger findings are visible in the whole picture
_LEAST, _MOST = 22, 72  # image pixels that a pane shows across


def choose_insets(marks: Sequence[MarkedFinding], whole: View, most: int) -> list[MarkedFinding]:
    """Choose at most `most` small findings to enlarge, of as many rules as possible."""
    small = [mark for mark in marks if mark.location.box is not None and needs_inset(mark.location, whole)]
    n_seen: dict[str, int] = {}
    turn = []
    for mark in small:
        n_seen[mark.finding.code] = n_seen.get(mark.finding.code, 0) + 1
        turn.append((n_seen[mark.finding.code], mark.number))
    first = sorted(range(len(small)), key=lambda number: turn[number])[:most]
    return [small[number] for number in sorted(first)]


def draw_inset(scene: Scene, mark: MarkedFinding) -> Image.Image:
    """Draw two panes side by side: the image alone, and with segments and findings."""
    view = close_view(mark.location, scene.annotation.size)
    picture = Image.new("RGB", (INSET_WIDTH, INSET_SIDE), (255, 255, 255))
    ground = scene.ground.stretch(view)
    only = Scene(ground, scene.annotation, scene.colors, [mark])
    for number, pane in enumerate((Image.fromarray(ground.render(view)), only.render(view, closely=True))):
        picture.paste(pane.resize((INSET_SIDE, INSET_SIDE), Image.Resampling.NEAREST), (number * (INSET_SIDE + 4), 0))
    draw = ImageDraw.Draw(picture)
    draw_chip(draw, (0, 0), f"{mark.number}  {mark.finding.code}", SEVERITY_COLORS[mark.finding.severity])
    draw_chip(draw, (0, INSET_SIDE - 19), f"x {view.x + view.width // 2}, y {view.y + view.height // 2}", (60, 60, 60))
    draw.rectangle((0, 0, INSET_WIDTH - 1, INSET_SIDE - 1), outline=SEVERITY_COLORS[mark.finding.severity], width=2)
    return picture


def paste_insets(canvas: Image.Image, insets: Iterator[Image.Image], top: int, width: int) -> None:
    """Paste the insets in rows, from `top` on, into the `width` leftmost pixels."""
    for number, picture in enumerate(insets):
        row, column = divmod(number, insets_per_row(width))
        canvas.paste(picture, (column * (INSET_WIDTH + 12), top + row * (INSET_SIDE + 12)))


def insets_per_row(width: int) -> int:
    """The number of insets that fit side by side into `width` canvas pixels."""
    return max(1, (width + 12) // (INSET_WIDTH + 12))


def needs_inset(location: FindingLocation, whole: View) -> bool:
    """Whether a finding is too small for this view: its box is small, or it has few of the pixels of its box.

    A declared box may be far from its segment, so that only the whole picture shows both.
    """
    if location.box is None or location.declared is not None:
        return False
    _, _, width, height = location.box
    n_pixels = int(location.runs.length.sum())
    n_points = len(location.points) if not n_pixels else 0
    fine = n_points > 0 or 0 < n_pixels * whole.scale**2 < _INSET_MAX_SIDE**2 / 4
    return (
        fine
        or min(width, height) * whole.scale < _INSET_MAX_SIDE / 3
        or max(width, height) * whole.scale < _INSET_MAX_SIDE
    )


def close_view(location: FindingLocation, size: tuple[int, int]) -> View:
    """A close view of a finding in an image of this height and width.

    It shows the marked point, or the pixels nearest to the centre of its box; it stays inside the frame if the finding
    does.
    """
    x, y, width, height = location.box or (0, 0, 1, 1)
    middle_x, middle_y = x + width / 2, y + height / 2
    side = int(np.clip(3 * max(width, height), _LEAST, _MOST))
    if len(location.points):
        middle_x, middle_y = location.points[0].tolist()
        side = _LEAST + 8
    elif len(location.runs) and max(width, height) > side // 2:
        run_x, top = np.divmod(location.runs.start, size[0])
        run_y = top + location.runs.length / 2
        nearest = int(np.argmin((run_x - middle_x) ** 2 + (run_y - middle_y) ** 2))
        middle_x, middle_y = float(run_x[nearest]), float(run_y[nearest])
    view = View.around(int(middle_x), int(middle_y), side, INSET_SIDE)
    return view if len(location.points) else view.inside(*size)


def load_annotations(data: OpenDataset, row: int) -> Iterator[tuple[str | None, Batch]]:
    """Load the annotations of one of the source's images, each as a batch, with the annotator if there are several.

    Empty if the size of the image is unknown.
    """
    batch = data.source.load(np.array([row]))
    height, width = batch.image_size
    if height[0] == 0 or width[0] == 0:
        return
    if batch.annotations.num_rows < 2:
        yield None, batch
        return
    for annotation in Annotation.split_batch(batch):
        yield str(annotation.annotator), annotation.batch


PANE = INSET_SIDE  # canvas pixels of one of the two panes
_BOX_MARGIN = 1.7  # factor by which a view is larger than the finding's box
_MIN_VIEW_SIDE = 24  # image pixels


def choose_findings(data: OpenDataset, validation: Validation, most: int, listed: int | None = None) -> list[Finding]:
    """Choose at most `most` findings to draw among the first `listed`: new ones, and if there is room, known ones."""
    rows = set(data.source.image_ids)
    known = () if validation.baseline is None else validation.baseline.known
    new, old = (
        [finding for finding in findings[:listed] if finding.image in rows] for findings in (validation.findings, known)
    )
    selected = spread_over_rules(new, most)
    return selected + spread_over_rules(old, most - len(selected))


def draw_thumbnails(
    data: OpenDataset, findings: Sequence[Finding], jobs: int = 0, progress: Callable[[int], None] = no_progress
) -> dict[Finding, str]:
    """Pictures of findings as `data:` URIs, in their order; None if the image or its size is unknown.

    Each of `jobs` threads (0: one per core) holds one image in memory at a time. The caller sets Pillow's limit on
    image sizes.
    """
    return pictures_by_image(data, findings, lambda row, own: _of_image(data, row, own), jobs, progress)


def pictures_by_image(
    data: OpenDataset,
    findings: Sequence[Finding],
    draw: Callable[[int, list[Finding]], Iterable[tuple[Finding, str]]],
    jobs: int,
    progress: Callable[[int], None] = no_progress,
) -> dict[Finding, str]:
    """Call `draw` with the row of each image and its findings; returns the pictures in the order of the findings."""
    rows = {image_id: row for row, image_id in enumerate(data.source.image_ids)}
    by_image: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.image in rows:
            by_image.setdefault(rows[finding.image], []).append(finding)
    uris: dict[Finding, str] = {}
    for pictures in run_ordered(lambda row: list(draw(row, by_image[row])), sorted(by_image), jobs):
        uris.update(pictures)
        progress(1)
    return {finding: uris[finding] for finding in findings if finding in uris}


def spread_over_rules(findings: Sequence[Finding], most: int) -> list[Finding]:
    """Choose at most `most` findings, about as many of every rule: the worst ones, of different images first.

    The worst have the greatest score, if they have one, then the most pixels.
    """
    queues = []
    for group in _groups(findings):
        group.sort(key=lambda finding: (-(finding.score or 0), -(finding.pixels or 0)))
        turn: Counter[str | None] = Counter()
        turns = []
        for finding in group:
            turns.append(turn[finding.image])
            turn[finding.image] += 1
        order = sorted(range(len(group)), key=turns.__getitem__)
        queues.append(deque(group[number] for number in order))
    selected: list[Finding] = []
    while queues and len(selected) < most:
        selected += [queue.popleft() for queue in queues][: most - len(selected)]
        queues = [queue for queue in queues if queue]
    return selected


def fair_share(findings: Sequence[Finding], most: int) -> Sequence[Finding]:
    """The findings in their order: all, or if there are more than `most`, the choice of `spread_over_rules`."""
    if len(findings) <= most:
        return findings
    selected = set(map(id, spread_over_rules(findings, most)))
    return [finding for finding in findings if id(finding) in selected]


def _groups(findings: Sequence[Finding]) -> list[list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.code, []).append(finding)
    rank = {code: min(SEVERITIES.index(finding.severity) for finding in group) for code, group in groups.items()}
    return [groups[code] for code in sorted(groups, key=lambda code: (rank[code], code))]


def _of_image(data: OpenDataset, row: int, findings: Sequence[Finding]) -> Iterator[tuple[Finding, str]]:
    for number, (name, batch) in enumerate(load_annotations(data, row)):
        findings_here = [
            finding for finding in findings if finding.annotator == name or (finding.annotator is None and number == 0)
        ]
        if name is None:
            findings_here = list(findings)
        if findings_here:
            yield from _draw_findings(Annotation(batch), data.profile, findings_here)


def _draw_findings(
    annotation: Annotation, profile: Profile, findings: Sequence[Finding]
) -> Iterator[tuple[Finding, str]]:
    height, width = annotation.size
    batch = annotation.batch
    ground = BackgroundImage.from_uri(batch.images["uri"][0].as_py(), width, height)
    colors = segment_colors(batch.segment_category, profile.taxonomy, profile.task)
    for finding in findings:
        mark = MarkedFinding(0, finding, locate_finding(annotation, finding))
        view = thumbnail_view(mark.location, annotation.size)
        yield finding, data_uri(_panes(Scene(ground.stretch(view), annotation, colors, [mark]), view))


def thumbnail_view(location: FindingLocation, size: tuple[int, int]) -> View:
    """The view of a thumbnail: around the finding's box, or its few pixels; without a box, the whole image."""
    if location.box is None:
        x, y, wide, high = 0.0, 0.0, float(size[1]), float(size[0])
        side = max(wide, high)
    else:
        x, y, wide, high = _bounding_box(location)
        side = max(_BOX_MARGIN * max(wide, high), _MIN_VIEW_SIDE)
    middle_x, middle_y = int(x + wide / 2), int(y + high / 2)
    if side <= PANE:
        view = View.around(middle_x, middle_y, int(side), PANE).inside(*size)
    else:
        across, down = min(int(side), size[1]), min(int(side), size[0])
        scale = PANE / max(across, down)
        view = View(middle_x - across // 2, middle_y - down // 2, across, down, scale).inside(*size)
    return close_view(location, size) if needs_inset(location, view) else view


def _bounding_box(location: FindingLocation) -> tuple[float, float, float, float]:
    x, y, wide, high = location.box or (0, 0, 1, 1)
    if location.declared is None or not np.isfinite(location.declared).all():
        return x, y, wide, high
    also_x, also_y, also_wide, also_high = location.declared
    left, top = min(x, also_x), min(y, also_y)
    right, bottom = max(x + wide, also_x + also_wide), max(y + high, also_y + also_high)
    return left, top, right - left, bottom - top


def _panes(scene: Scene, view: View) -> Image.Image:
    """The image alone and with segments and findings, side by side; only the latter if there is no image."""
    alone = [Image.fromarray(scene.ground.render(view))] if scene.ground.image is not None else []
    return panes_side_by_side([*alone, scene.render(view)], PANE)


def data_uri(picture: Image.Image) -> str:
    """A picture as a `data:` URI."""
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
