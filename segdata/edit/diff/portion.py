"""Portion: some images of A and B, loaded, with the annotations that stand opposite each other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, whole
from segdata.core.runs import Ints
from segdata.edit.diff.joining import joined


@dataclass(frozen=True)
class Loaded:
    """One dataset's images of a portion.

    Attributes
    ----------
    batch : what was loaded
    pair : (n_images,) the pair that each image belongs to
    name_of : category id -> the name by which both datasets know it
    """

    batch: Batch
    pair: Ints
    name_of: Callable[[int], str]

    @cached_property
    def annotation_pair(self) -> Ints:
        """(n_annotations,) the pair of images that each belongs to."""
        return self.pair[self.batch.annotation_image]

    @cached_property
    def areas(self) -> Ints:
        """(n_segments,) pixels."""
        return self.batch.runs.areas(self.batch.n_segments)

    @cached_property
    def image_ids(self) -> list[str]:
        """(n_images,)."""
        return self.batch.images["image_id"].to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types

    @cached_property
    def per_annotation(self) -> Ints:
        """(n_annotations,) how many segments each has."""
        return np.bincount(self.batch.segment_annotation, minlength=self.batch.annotations.num_rows)

    @cached_property
    def per_image(self) -> Ints:
        """(n_images,) how many segments each has."""
        return np.bincount(self.batch.segment_image, minlength=self.batch.images.num_rows)

    def annotator(self, annotation: int) -> str | None:
        """Who made an annotation."""
        return self.batch.annotations["annotator"][annotation].as_py()  # type: ignore[no-any-return]

    def segment(self, row: int) -> int | str | None:
        """The source's own id of a segment."""
        own = self.batch.segments["source_id"][row].as_py()
        return own if own is not None else self.batch.segments["segment_id"][row].as_py()  # type: ignore[no-any-return]

    def category(self, row: int) -> str:
        """The name of a segment's category."""
        return self.name_of(self.batch.segments["category_id"][row].as_py())


@dataclass(frozen=True)
class Portion:
    """Some pairs of images.

    Attributes
    ----------
    a, b : what each dataset has of them
    image_a, image_b : (n,) for each pair the row of the image in each side's batch; -1 where it lacks it
    """

    a: Loaded
    b: Loaded
    image_a: Ints
    image_b: Ints

    @cached_property
    def both(self) -> Ints:
        """The pairs that have two images."""
        return np.flatnonzero((self.image_a >= 0) & (self.image_b >= 0))

    @cached_property
    def alike(self) -> NDArray[np.bool_]:
        """(n,) whether a pair has two images of the same size, so that their pixels can be compared."""
        result = np.zeros(len(self.image_a), bool)
        sizes = [
            np.stack(side.batch.image_size)[:, image[self.both]]
            for side, image in ((self.a, self.image_a), (self.b, self.image_b))
        ]
        result[self.both] = (sizes[0] == sizes[1]).all(axis=0)
        return result

    @cached_property
    def annotations(self) -> "Annotations":
        """The annotations in pairs."""
        return _annotations(self)

    @cached_property
    def categories(self) -> tuple[Ints, Ints, list[str]]:
        """(n_segments,) of A and of B the category of each segment, as a row of the third: the names."""
        rows: dict[str, int] = {}
        codes = []
        for side in (self.a, self.b):
            ids, which = np.unique(whole(side.batch.segments["category_id"]), return_inverse=True)
            code = [rows.setdefault(side.name_of(id_), len(rows)) for id_ in ids.tolist()]
            codes.append(np.array(code, np.int64)[which])
        return codes[0], codes[1], list(rows)

    def image_of(self, pair: int) -> str:
        """What a pair of images is called: its id in A, else in B."""
        row = int(self.image_a[pair])
        return self.a.image_ids[row] if row >= 0 else self.b.image_ids[int(self.image_b[pair])]


@dataclass(frozen=True, slots=True)
class Annotations:
    """Annotations in pairs, and those that stay alone though their image has a partner.

    Attributes
    ----------
    a, b : (n,) rows of each side's annotations
    pair : (n,) the pair of images
    alone_a, alone_b : rows
    frame_a, frame_b : (n_segments,) of each side: the pair of annotations that a segment belongs to, -1 where it is
        not compared, since its annotation or image has no partner or one of another size
    """

    a: Ints
    b: Ints
    pair: Ints
    alone_a: Ints
    alone_b: Ints
    frame_a: Ints
    frame_b: Ints


def _annotations(portion: Portion) -> Annotations:
    """Annotations of one image by the same annotator; then what is left, where it is clear what belongs together."""
    a, b = portion.a, portion.b
    who_a, who_b, nobody = _annotators(a.batch, b.batch)
    rows_a, rows_b = joined([a.annotation_pair, who_a], [b.annotation_pair, who_b])
    rest_a, rest_b = (
        np.setdiff1d(np.flatnonzero(np.isin(side.annotation_pair, portion.both)), rows)
        for side, rows in ((a, rows_a), (b, rows_b))
    )
    more_a, more_b = _leftovers(
        (a.annotation_pair[rest_a], who_a[rest_a] == nobody), (b.annotation_pair[rest_b], who_b[rest_b] == nobody)
    )
    rows_a, rows_b = np.append(rows_a, rest_a[more_a]), np.append(rows_b, rest_b[more_b])
    order = np.argsort(rows_a)
    rows_a, rows_b = rows_a[order], rows_b[order]
    pair = a.annotation_pair[rows_a]
    return Annotations(
        rows_a,
        rows_b,
        pair,
        np.delete(rest_a, more_a),
        np.delete(rest_b, more_b),
        _frames(a, rows_a, portion.alike[pair]),
        _frames(b, rows_b, portion.alike[pair]),
    )


def _annotators(a: Batch, b: Batch) -> tuple[Ints, Ints, int]:
    """(n_annotations,) of each side: the annotator as a number, and the number of those without a name."""
    names = pa.concat_arrays([each.annotations["annotator"].combine_chunks() for each in (a, b)])
    coded = names.fill_null("").dictionary_encode()
    code = np.where(names.is_null().to_numpy(zero_copy_only=False), -1, coded.indices.to_numpy()).astype(np.int64)
    return code[: a.annotations.num_rows], code[a.annotations.num_rows :], -1


def _leftovers(a: tuple[Ints, NDArray[np.bool_]], b: tuple[Ints, NDArray[np.bool_]]) -> tuple[Ints, Ints]:
    """Which annotations with different annotators stand opposite each other all the same.

    Takes of each side the pairs of images (n,), ascending, and which annotations have no name. A last one on both
    sides belongs together, and so does a nameless last one with the first of the other side: a format that holds one
    annotation an image, and no names, keeps that.
    """
    (pair_a, first_a, count_a), (pair_b, first_b, count_b) = (
        np.unique(pair, return_index=True, return_counts=True) for pair, _ in (a, b)
    )
    _, at_a, at_b = np.intersect1d(pair_a, pair_b, assume_unique=True, return_indices=True)
    first_a, first_b, one_a, one_b = first_a[at_a], first_b[at_b], count_a[at_a] == 1, count_b[at_b] == 1
    clear = (one_a & one_b) | (one_a & a[1][first_a]) | (one_b & b[1][first_b])
    return first_a[clear], first_b[clear]


def _frames(side: Loaded, annotations: Ints, alike: NDArray[np.bool_]) -> Ints:
    frame = np.full(side.batch.annotations.num_rows, -1, np.int64)
    frame[annotations[alike]] = np.flatnonzero(alike)
    return frame[side.batch.segment_annotation]
