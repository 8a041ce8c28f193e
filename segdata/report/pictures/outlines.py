"""Outlines: what several annotators drew of one image, each as an outline in a colour of their own."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.taxonomy import Color
from segdata.report.background_image import BackgroundImage
from segdata.report.pictures.canvas import View

Flags = NDArray[np.bool_]
_DASH = 5  # canvas pixels: where several outlines coincide their colours take turns
_PALE = 0.25  # how far the image is drawn towards grey, so that outlines stand out


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image and everybody's annotations of it: a batch of one image whose size is known."""

    batch: Batch
    ground: BackgroundImage

    @staticmethod
    def of(batch: Batch) -> "AnnotatedImage":
        """The same with the image file opened."""
        height, width = batch.image_size
        return AnnotatedImage(batch, BackgroundImage.of(batch.images["uri"][0].as_py(), int(width[0]), int(height[0])))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.ground.height, self.ground.width

    def labels(self, view: View, annotator: str, categories: Collection[int] | None) -> NDArray[np.int32]:
        """(h, w): the segments of an annotator of these category ids (None: of any), counted from 1; 0: none."""
        names = self.batch.annotations["annotator"].to_pylist()
        chosen = np.isin(self.batch.segment_annotation, [row for row, name in enumerate(names) if name == annotator])
        if categories is not None:
            chosen &= np.isin(self.batch.segments["category_id"].to_numpy(), list(categories))
        part = self.batch.take_segments(np.flatnonzero(chosen))
        return view.labels(part.runs, self.size[0], part.n_segments)

    def seen(self, view: View) -> Image.Image:
        """The image alone."""
        return Image.fromarray(self.ground.seen(view))

    def outlined(
        self, view: View, annotators: Sequence[tuple[str, Color]], categories: Collection[int] | None
    ) -> Image.Image:
        """The image under the outlines of these annotators, each in a colour, in these categories."""
        picture = self.ground.seen(view).astype(np.float32)
        picture += (picture.mean(axis=2, keepdims=True) * 0.5 + 64 - picture) * _PALE
        edges = np.stack([_outline(self.labels(view, name, categories)) for name, _ in annotators])
        count = edges.sum(axis=0)
        rank = np.cumsum(edges, axis=0) - 1
        turn = np.add.outer(np.arange(picture.shape[0]), np.arange(picture.shape[1])) // _DASH
        picture[_widen(count > 0)] *= 0.4 if self.ground.image is not None else 0.8
        for k, (_, color) in enumerate(annotators):
            picture[edges[k] & (rank[k] == turn % np.maximum(count, 1))] = color
        return Image.fromarray(picture.clip(0, 255).astype(np.uint8))

    def differing(self, view: View, one: str, other: str, categories: Collection[int] | None) -> Flags:
        """(h, w) where only one of two annotators has such a category."""
        first, second = (self.labels(view, name, categories) > 0 for name in (one, other))
        return first ^ second


def densest_square(flags: Flags, side: int) -> tuple[int, int]:
    """The middle (x, y) of the flags inside the square with this side that holds most of them.

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


def _outline(labels: NDArray[np.int32]) -> Flags:
    """The labelled pixels beside another label or none, two canvas pixels wide."""
    edge = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return _widen(edge & (labels > 0)) & (labels > 0)


def _widen(flags: Flags) -> Flags:
    """The flags and their four neighbours."""
    wide = flags.copy()
    wide[1:] |= flags[:-1]
    wide[:-1] |= flags[1:]
    wide[:, 1:] |= flags[:, :-1]
    wide[:, :-1] |= flags[:, 1:]
    return wide
