"""Thumbnails: small pictures of findings, the image alone beside the image with the evidence drawn."""

import base64
import io
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from segdata.core.dataset import OpenDataset
from segdata.core.executor import run_ordered
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.finding_location import Annotation, FindingLocation, locate_finding
from segdata.core.profile import Profile
from segdata.core.validation import Validation
from segdata.report.background_image import BackgroundImage
from segdata.report.pictures.canvas import View
from segdata.report.pictures.colours import segment_colors
from segdata.report.pictures.scene import INSET_SIDE, MarkedFinding, Scene, close_view, load_annotations, needs_inset

PANE = INSET_SIDE  # canvas pixels of one of the two panes
_GAP = 4
_ROOM = 1.7  # how much wider than its box a finding is shown
_LEAST = 24  # image pixels across


def choose_findings(data: OpenDataset, validation: Validation, most: int, listed: int | None = None) -> list[Finding]:
    """The at most `most` findings to draw, among the first `listed`: new ones, and if there is room known ones."""
    rows = set(data.source.image_ids)
    known = () if validation.baseline is None else validation.baseline.known
    new, old = (
        [finding for finding in findings[:listed] if finding.image in rows] for findings in (validation.findings, known)
    )
    chosen = spread_over_rules(new, most)
    return chosen + spread_over_rules(old, most - len(chosen))


def draw_thumbnails(
    data: OpenDataset, findings: Sequence[Finding], jobs: int = 0, progress: Callable[[int], None] = lambda done: None
) -> dict[Finding, str]:
    """Pictures of findings as `data:` URIs, in their order; none where the image or its size is unknown.

    One image at a time is in memory for each of `jobs` threads (0: one per core). Pillow's limit on image sizes is the
    caller's business.
    """
    rows = {image_id: row for row, image_id in enumerate(data.source.image_ids)}
    by_image: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.image in rows:
            by_image.setdefault(rows[finding.image], []).append(finding)

    def of_image(row: int) -> list[tuple[Finding, str]]:
        return list(_of_image(data, row, by_image[row]))

    uris: dict[Finding, str] = {}
    for pictures in run_ordered(of_image, sorted(by_image), jobs):
        uris.update(pictures)
        progress(1)
    return {finding: uris[finding] for finding in findings if finding in uris}


def spread_over_rules(findings: Sequence[Finding], most: int) -> list[Finding]:
    """At most `most` findings, of every rule about as many: the worst, and first one of each image.

    The worst are those with the greatest score, where they have one, then the largest.
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
    chosen: list[Finding] = []
    while queues and len(chosen) < most:
        chosen += [queue.popleft() for queue in queues][: most - len(chosen)]
        queues = [queue for queue in queues if queue]
    return chosen


def _groups(findings: Sequence[Finding]) -> list[list[Finding]]:
    """The findings of each rule, the worst rules first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.code, []).append(finding)
    return [groups[code] for code in sorted(groups, key=lambda code: (_rank(groups[code]), code))]


def _rank(group: Sequence[Finding]) -> int:
    return min(SEVERITIES.index(finding.severity) for finding in group)


def _of_image(data: OpenDataset, row: int, findings: Sequence[Finding]) -> Iterator[tuple[Finding, str]]:
    for number, (name, batch) in enumerate(load_annotations(data, row)):
        findings_here = [
            finding for finding in findings if finding.annotator == name or (finding.annotator is None and number == 0)
        ]
        if name is None:
            findings_here = list(findings)
        if findings_here:
            yield from _drawn(Annotation(batch), data.profile, findings_here)


def _drawn(annotation: Annotation, profile: Profile, findings: Sequence[Finding]) -> Iterator[tuple[Finding, str]]:
    height, width = annotation.size
    batch = annotation.batch
    ground = BackgroundImage.of(batch.images["uri"][0].as_py(), width, height)
    colors = segment_colors(batch.segments["category_id"].to_numpy(), profile.taxonomy, profile.task)
    for finding in findings:
        mark = MarkedFinding(0, finding, locate_finding(annotation, finding))
        view = thumbnail_view(mark.evidence, annotation.size)
        yield finding, data_uri(_panes(Scene(ground.stretched(view), annotation, colors, [mark]), view))


def thumbnail_view(evidence: FindingLocation, size: tuple[int, int]) -> View:
    """What a thumbnail shows of an image of this height and width: the finding's box, or its pixels where few.

    The whole image where the finding has no box.
    """
    if evidence.box is None:
        x, y, wide, high = 0.0, 0.0, float(size[1]), float(size[0])
        side = max(wide, high)
    else:
        x, y, wide, high = _joined(evidence)
        side = max(_ROOM * max(wide, high), _LEAST)
    middle_x, middle_y = int(x + wide / 2), int(y + high / 2)
    if side <= PANE:
        view = View.around(middle_x, middle_y, int(side), PANE).inside(*size)
    else:
        across, down = min(int(side), size[1]), min(int(side), size[0])
        scale = PANE / max(across, down)
        view = View(middle_x - across // 2, middle_y - down // 2, across, down, scale).inside(*size)
    return close_view(evidence, size) if needs_inset(evidence, view) else view


def _joined(evidence: FindingLocation) -> tuple[float, float, float, float]:
    """The box with the one that the file declares."""
    x, y, wide, high = evidence.box or (0, 0, 1, 1)
    if evidence.declared is None or not np.isfinite(evidence.declared).all():
        return x, y, wide, high
    also_x, also_y, also_wide, also_high = evidence.declared
    left, top = min(x, also_x), min(y, also_y)
    right, bottom = max(x + wide, also_x + also_wide), max(y + high, also_y + also_high)
    return left, top, right - left, bottom - top


def _panes(scene: Scene, view: View) -> Image.Image:
    """The image alone and with everything painted on, side by side; only the latter where there is no image."""
    painted = [scene.seen(view)]
    panes = [Image.fromarray(scene.ground.seen(view)), *painted] if scene.ground.image is not None else painted
    both = Image.new("RGB", (len(panes) * (PANE + _GAP) - _GAP, PANE), (45, 45, 45))
    for number, pane in enumerate(panes):
        left = number * (PANE + _GAP) + (PANE - pane.width) // 2
        both.paste(pane, (left, (PANE - pane.height) // 2))
    return both


def data_uri(picture: Image.Image) -> str:
    """A picture as a `data:` URI."""
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
