"""Group features: what groups of annotations, such as annotators or batches, differ in where they are comparable."""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.strata import (
    CategoryTally,
    annotation_strata_if_any,
    example_segments,
    image_strata,
    independent_units,
    joint_codes,
    number_names,
    size_class,
)
from segdata.core.table import Table

FeatureKind = Literal["presence", "count", "size", "void"]
_MIX = ("camera", "size", "split")  # images that agree in these are of one sort


class GroupFeature(msgspec.Struct, frozen=True):
    """One thing that groups may differ in.

    Attributes
    ----------
    kind : presence (share of images with the category), count and size (mean logarithms, where it is present), void
        (share of the image's pixels)
    category : the category's id; None: of no single one
    values : (n_observations,)
    among : (n_observations,) which of them have a value
    """

    kind: FeatureKind
    category: int | None
    values: Floats
    among: Flags


class GroupedAnnotations(msgspec.Struct, frozen=True):
    """Annotations by group, averaged over what is one piece of evidence: an image, or a sequence or group of images.

    Where several groups annotated the same images, only these count, and the stratum is the piece: all saw the same.
    Else the stratum is the sort of image: camera, size and split. If images differ so much in size that most could not
    be compared, those of about the same size (areas within a factor of 4) are of one sort.

    Attributes
    ----------
    names : of the groups, sorted
    group, stratum : (n,) of each observation
    n_images : (n,) how many annotations it is the mean of
    of : (n_annotations,) the observation that an annotation belongs to; -1: none
    is_paired : whether the strata are the same images
    """

    names: list[str]
    group: Ints
    stratum: Ints
    n_images: Ints
    of: Ints
    is_paired: bool

    @staticmethod
    def from_column(tables: Tables, column: str) -> "GroupedAnnotations":
        """The observations of a column's groups; none where it names fewer than two."""
        names, group = number_names(annotation_strata_if_any(tables, column))
        if len(names) < 2:
            none = np.zeros(0, np.int64)
            return GroupedAnnotations(names, none, none, none, np.full(len(group), -1, np.int64), False)
        image = tables.annotations["image"].astype(np.int64)
        rows = np.flatnonzero(group >= 0)
        pairs = rows[joint_codes(image[rows], group[rows])[1]]
        shared = np.bincount(image[pairs], minlength=len(tables.images)) > 1
        is_paired = bool(shared.any())
        if is_paired:
            rows = rows[shared[image[rows]]]
        unit = independent_units(tables)[image]
        which, place = joint_codes(unit[rows], group[rows])
        observation = np.full(len(group), -1, np.int64)
        observation[rows] = which
        first = rows[place]
        stratum = unit[first] if is_paired else _comparable_types(tables, column, image[first], group[first])
        return GroupedAnnotations(names, group[first], stratum, np.bincount(which), observation, is_paired)

    def features(self, tables: Tables, amounts: Table) -> Iterator[GroupFeature]:
        """What the groups can differ in, category by category, then the use of void; see `drawn_amounts`."""
        frame = np.maximum(tables.images["width"].astype(np.float64) * tables.images["height"], 1)
        frame = frame[tables.annotations["image"]]
        owner, drawn, amount = (amounts[name] for name in ("annotation", "category", "amount"))
        void = np.isin(drawn, tables.profile.taxonomy.void_ids)
        things = tables.profile.taxonomy.thing_ids
        for category in np.unique(drawn[~void]).tolist():
            rows = np.flatnonzero((drawn == category) & (self.of[owner] >= 0))
            observation = self.of[owner[rows]]
            having = np.bincount(observation, minlength=len(self.group)).astype(np.float64)
            yield GroupFeature("presence", category, having / self.n_images, np.ones(len(self.group), bool))
            some = having > 0
            if tables.profile.task != "semantic" and category in things:
                logs = np.bincount(observation, weights=np.log(amount[rows]), minlength=len(having))
                yield GroupFeature("count", category, logs / np.maximum(having, 1), some)
            # As a share of the image: within images of one size this is a constant, which changes no comparison.
            shares = amounts["log_area"][rows] - np.log(frame[owner[rows]])
            logs = np.bincount(observation, weights=shares, minlength=len(having))
            yield GroupFeature("size", category, logs / np.maximum(having, 1), some)
        if void.any():
            rows = np.flatnonzero(void & (self.of[owner] >= 0))
            share = amount[rows] / frame[owner[rows]]
            total = np.bincount(self.of[owner[rows]], weights=share, minlength=len(self.group))
            yield GroupFeature("void", None, total / self.n_images, np.ones(len(self.group), bool))


def drawn_amounts(tables: Tables) -> Table:
    """One row for each annotation (row) and category: annotation, category, amount, log_area.

    amount: how many segments have pixels, of void how many pixels; log_area: the mean logarithm of these segments.
    """
    segments, void_ids = tables.segments, tables.profile.taxonomy.void_ids
    void_segments = segments.take(np.isin(segments["category_id"], void_ids)).select(
        ("annotation", "category_id", "area")
    )
    real, void = (CategoryTally.count(some, some["annotation"]) for some in (example_segments(tables), void_segments))
    return Table(
        {
            "annotation": np.concatenate([real.owner, void.owner]),
            "category": np.concatenate([real.category, void.category]),
            "amount": np.concatenate([real.segments, void.pixels]),
            "log_area": np.concatenate([real.log_area, void.log_area]),
        }
    )


def image_types(tables: Tables, column: str, *, exact: bool = True) -> Ints:
    """(n_images,) images of the same number are of one sort: camera, size and split, `column` left out.

    Not `exact`: sizes are the same if their areas are within a factor of 4.
    """
    numbers = [
        size_class(tables) if name == "size" and not exact else number_names(image_strata(tables, name))[1]
        for name in _MIX
        if name != column
    ]
    return joint_codes(*numbers)[0]


def _comparable_types(tables: Tables, column: str, image: Ints, group: Ints) -> Ints:
    """(n,) the types of images (n,) of groups (n,): by exact sizes, unless most have no other group beside them."""
    types = image_types(tables, column)[image]
    _, first = joint_codes(types, group)
    several = np.bincount(types[first], minlength=int(types.max(initial=0)) + 1)[types] > 1
    return types if several.mean() >= 0.5 else image_types(tables, column, exact=False)[image]
