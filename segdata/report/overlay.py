"""Overlay: one annotation of one image as a picture: segments, findings, enlarged details, legend."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.finding import Finding
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.profile import Profile
from segdata.report import inset
from segdata.report import legend as panel
from segdata.report.ground import Ground
from segdata.report.palette import category_colors, segment_colors
from segdata.report.scene import Marked, Scene
from segdata.report.view import View

_INSETS = 8
_NARROW = 640  # canvas pixels: the picture's part is at least so wide, so that insets fit below


def overlay(batch: Batch, profile: Profile, findings: Sequence[Finding] = ()) -> Image.Image:
    """The picture of a batch of one image with at most one annotation; its size must be known.

    Left the image under translucent segments, pixels that findings speak of striped in black and yellow, boxes in
    the colour of the severity; below it, small findings enlarged, without and with labels; right the legend.
    """
    annotation = Annotation(batch)
    height, width = annotation.size
    category_id = batch.segments["category_id"].to_numpy()
    uri = batch.images["uri"][0].as_py()
    colors = segment_colors(category_id, profile.taxonomy, profile.task)
    marks = [Marked(number, each, locate_finding(annotation, each)) for number, each in enumerate(findings, start=1)]
    scene = Scene(Ground.of(uri, width, height), annotation, colors, marks)
    view = View.whole(width, height)
    picture = scene.seen(view)
    closer = inset.chosen(marks, view, _INSETS)
    left = max(picture.width, _NARROW)
    rows = -(-len(closer) // inset.per_row(left))
    below = picture.height + 12
    total = below + rows * (inset.SIDE + 12)
    side = panel.legend(
        str(batch.images["image_id"][0].as_py()),
        _notes(batch, scene),
        _entries(category_id, profile),
        marks,
        total,
        with_ids=profile.task != "semantic",  # there a segment's id is its category's
    )
    canvas = Image.new("RGB", (left + side.width, side.height), (255, 255, 255))
    canvas.paste(picture, (0, 0))
    inset.pasted(canvas, (inset.inset(scene, mark) for mark in closer), below, left)
    canvas.paste(side, (left, 0))
    return canvas


def _notes(batch: Batch, scene: Scene) -> list[str]:
    height, width = scene.annotation.size
    notes = [f"{width} x {height} px, {batch.n_segments:,} segments"]
    if batch.annotations.num_rows and (annotator := batch.annotations["annotator"][0].as_py()):
        notes.append(f"by {annotator}")
    if not batch.annotations.num_rows:
        notes.append("not annotated")
    return notes + ([scene.ground.note] if scene.ground.note else [])


def _entries(category_id: "np.ndarray[tuple[int], np.dtype[np.int64]]", profile: Profile) -> list[panel.Entry]:
    """The categories on the picture, the most frequent first."""
    colors = category_colors(profile.taxonomy)
    counted = Counter(category_id.tolist()).most_common()
    return [
        panel.Entry(_named(profile.name_of(id_)), colors.get(id_, (255, 255, 255)), count) for id_, count in counted
    ]


def _named(name: str) -> str:
    """A category's name; what has only an id is called a category."""
    return f"category {name}" if name.isdigit() else name
