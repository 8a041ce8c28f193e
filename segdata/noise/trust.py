"""Trust: the images that a model can predict, judged by each image and by similar images.

A model that can predict most images of a dataset may fail on a few of another modality, magnification or stain.
There every label looks wrong. A single image does not show whether its labels are wrong or the model fails on it, so
similar images are evidence for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.core.errors import count_noun, list_names
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.split_assignment import group_images
from segdata.core.statistics import linked_groups
from segdata.measure.tables.duplicates import find_lookalikes
from segdata.noise.segments import UNLABELLED, SegmentSet

MIN_INFORMED = 0.4  # informedness of a model, from 0 (chance) to 1, below which it does not know an image
_OWN_WEIGHT = 5.0  # segments of an image that count as much as all images that are like it
_MAX_SEGMENTS = 50  # of an image that count
_NEAR = 2.0  # the distance of appearances, in usual ones to the nearest image, over which likeness falls to 60 %
_SAME_UNIT = 0.5  # the factor on the distance between images of one group or sequence
_SAMPLED, _BLOCK = 1000, 500  # images whose nearest one is looked for, and images that are compared at once


@dataclass(frozen=True, slots=True)
class RelatedImages:
    """Groups of related images, which must not teach how to judge each other."""

    unit: Ints  # (n_images,) images of one group or sequence, and copies, have the same number
    picture: Ints  # (n_images,) copies of one picture have the same number

    @staticmethod
    def from_tables(tables: Tables, columns: Sequence[str] = (), near: bool = False, jobs: int = 0) -> "RelatedImages":
        """Relate images of one sequence or of one value in a column; with `near`, also those that look the same.

        Every image is read for the latter. Raises SegdataError where no image has a value in one of the `columns`.
        """
        copies = find_lookalikes(tables.images, jobs) if near else np.empty((0, 2), np.int64)
        return RelatedImages(group_images(tables, columns, copies), linked_groups(len(tables.images), *copies.T))

    @staticmethod
    def unrelated(n: int) -> "RelatedImages":
        """Build for images that are not related."""
        return RelatedImages(np.arange(n), np.arange(n))

    def take(self, rows: Ints) -> "RelatedImages":
        """Some of the images."""
        return RelatedImages(self.unit[rows], self.picture[rows])

    @property
    def folds_of(self) -> Ints:
        """(n_images,) the units, or each image by itself where all are one unit."""
        return self.unit if len(np.unique(self.unit)) > 1 else np.arange(len(self.unit))


@dataclass(frozen=True, slots=True)
class ImageFit:
    """The fit of a model's prediction to the labels of one image."""

    informed: (
        float  # 1: it sees each category where it is labelled and nowhere else; 0: as chance would; NaN: no labels
    )
    n_segments: int  # how many labelled segments say so


def image_fit(given: SegmentSet, confusion: Ints) -> ImageFit:
    """Measure how much better than chance a model predicts the labels of an image, of `ImagePrediction.confusion`.

    This is the informedness (Youden's J): the share of a category's pixels in which the model predicts it, minus the
    share of all other pixels in which it does. Labelled categories are weighted by the square root of their pixels.
    Unlike the IoU it does not depend on whether most of the things in an image are labelled.
    Source: Powers (2011), Journal of Machine Learning Technologies 2(1), 37-63.
    """
    confusion = confusion.astype(float)
    pixels = confusion.sum(axis=1)
    rows = np.flatnonzero(pixels[1:] > 0) + 1
    n_segments = int((given.category > UNLABELLED).sum())
    if not len(rows):
        return ImageFit(float("nan"), n_segments)
    hit = np.diag(confusion)[rows]
    elsewhere = (confusion[:, rows].sum(axis=0) - hit) / np.maximum(pixels.sum() - pixels[rows], 1)
    weight = np.sqrt(pixels[rows])
    return ImageFit(float(((hit / pixels[rows] - elsewhere) * weight).sum() / weight.sum()), n_segments)


@dataclass(frozen=True)
class ImageLikeness:
    """The similarity of images, by their appearance, and by the group or sequence that they belong to."""

    features: Floats  # (n, F) in standard deviations; NaN: nothing is known of how an image looks
    unit: Ints  # (n,) images of one group or sequence have the same number, and are more alike
    usual: float  # the usual distance of an image to its nearest

    @staticmethod
    def from_appearance(looks: Sequence[Floats | None], unit: Ints) -> "ImageLikeness":
        """Build from each image's appearance (F,), see `describe_appearance`; None: not known, only its unit counts."""
        readable = np.array([row for row, look in enumerate(looks) if look is not None], np.int64)
        if not len(readable):
            return ImageLikeness(np.full((len(looks), 1), np.nan), unit, 1.0)
        x = np.array([look for look in looks if look is not None])
        features = np.full((len(looks), x.shape[1]), np.nan)
        features[readable] = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)
        alone = ImageLikeness(features, np.arange(len(looks)), 1.0)
        sampled = readable[:: -(-len(readable) // _SAMPLED)]
        nearest = [alone._distances(rows)[:, readable].min(axis=1, initial=np.inf) for rows in _blocks(sampled)]
        usual = float(np.median(np.concatenate(nearest)))
        return ImageLikeness(features, unit, max(usual, 1e-6) if np.isfinite(usual) else 1.0)

    def __len__(self) -> int:
        return len(self.unit)

    def _distances(self, rows: Ints) -> Floats:
        """(r, n) distances from images to all images; infinite to itself, and where nothing is known."""
        x, x_rows = self.features, self.features[rows]
        squares = (x_rows**2).sum(axis=1)[:, None] + (x**2).sum(axis=1)[None] - 2 * x_rows @ x.T
        gap = np.where(np.isnan(squares), np.inf, np.sqrt(np.maximum(squares, 0)))
        same = self.unit[rows][:, None] == self.unit[None]
        gap = np.where(same, np.where(np.isinf(gap), 0, gap) * _SAME_UNIT, gap)
        gap[np.arange(len(rows)), rows] = np.inf
        return gap

    def means(self, values: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """Average over similar images: (n,) the sum of their weights, and (n, k) their mean values.

        `values` (n, k) and `weight` (n,) are those of each image, which is left out of its own mean.
        """
        support, mean = np.zeros(len(self)), np.zeros(values.shape)
        for rows in _blocks(np.arange(len(self))):
            alike = np.exp(-0.5 * (self._distances(rows) / (_NEAR * self.usual)) ** 2)
            support[rows] = alike @ weight
            mean[rows] = alike @ (weight[:, None] * values)
        return support, mean / np.maximum(support, 1e-300)[:, None]


def _blocks(rows: Ints) -> list[Ints]:
    """Rows in blocks, so that distances of many images to all fit into memory."""
    return np.array_split(rows, max(-(-len(rows) // _BLOCK), 1))


def informed_images(fits: Sequence[ImageFit], alike: ImageLikeness) -> Floats:
    """(i,) the fit of the model to each image: by its own segments, and by similar images.

    An image with few segments counts less than similar images. NaN if neither it nor a similar one has labels.
    """
    own = np.array([fit.informed for fit in fits])
    weight = np.where(np.isnan(own), 0.0, [min(fit.n_segments, _MAX_SEGMENTS) for fit in fits])
    own = np.nan_to_num(own)
    support, around = alike.means(own[:, None], weight)
    prior = np.minimum(support, _OWN_WEIGHT)
    total = weight + prior
    return np.where(total > 0, (weight * own + prior * around[:, 0]) / np.maximum(total, 1e-9), np.nan)


def known_images(informed: Floats) -> Flags:
    """(i,) whether the model can predict an image; also if this is unknown, as for images without labels."""
    return np.isnan(informed) | (informed >= MIN_INFORMED)


_IMAGES_NAMED = 3  # images in a note


def unknown_image_notes(names: Sequence[str], n_images: int) -> tuple[str, ...]:
    """A note on the images, by name, that the model does not know, of how many; none without such images.

    >>> unknown_image_notes([], 9), unknown_image_notes(["a.png", "b.png"], 9)[0][:60]
    ((), 'the model does not know 2 of 9 images (a.png, b.png): it fin')
    >>> unknown_image_notes(["a.png", "b.png"], 2)[0][:57]
    'the model knows none of the 2 images: it finds nothing in'
    """
    if not names:
        return ()
    which = (
        f"knows none of the {count_noun(n_images, 'image')}"
        if len(names) == n_images
        else f"does not know {len(names):,} of {count_noun(n_images, 'image')} ({list_names(names, _IMAGES_NAMED)})"
    )
    return (
        f"the model {which}: it finds nothing in them. Look at a few, annotate more of this kind, or give predictions "
        "(--predictions)",
    )
