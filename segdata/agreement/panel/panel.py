"""Panel: the work of several annotators on the same images as one source, whatever datasets it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.agreement.panel.paired import Found, Member, paired, unpaired
from segdata.agreement.panel.taxonomies import Reconciled, reconciled
from segdata.core.batch import Batch, concatenate_batches, merge_images, replace_column
from segdata.core.errors import SegdataError, check_choice
from segdata.core.finding import Defect
from segdata.core.paths import PairBy
from segdata.core.profile import Profile, has_volumes
from segdata.core.runs import Ints

Flags = NDArray[np.bool_]
SIZES = "SEG411"


@dataclass(frozen=True)
class Panel:
    """A source (see `segdata.core.format.Source`) of the images of one or several datasets.

    Image rows of different datasets that stand for one picture are one image here; each annotation names its
    annotator. A second annotation of an image by one annotator is their second pass, ``anna (2)``.

    Attributes
    ----------
    members : the datasets
    taxonomies : what their categories are called here
    by : what images were paired by
    image, member, row : (m,) ascending by image: row `row` of the source of `member` is image `image` of the panel
    image_ids : (n_images,) as the first member that has the image calls them
    profile, defects : of the whole
    case : (n_images,) the same number for the slices of one volume, ascending
    aliases : what annotators are called instead of their names
    """

    members: tuple[Member, ...]
    taxonomies: Reconciled
    by: PairBy
    image: Ints
    member: Ints
    row: Ints
    image_ids: Sequence[str]
    profile: Profile
    defects: Sequence[Defect]
    case: Ints
    aliases: Mapping[str, str] = field(default_factory=dict)

    def chunks(self) -> list[Ints]:
        """Rows of images in portions; volumes stay whole."""
        n = max(sum(len(member.dataset.chunks()) for member in self.members), 1)
        wanted = np.linspace(0, len(self.case), min(n, max(len(self.case), 1)) + 1).astype(np.int64)[1:-1]
        starts = np.flatnonzero(np.diff(self.case, prepend=-1))
        cuts = np.unique(starts[np.searchsorted(starts, wanted, side="left").clip(max=len(starts) - 1)])
        rows = np.arange(len(self.case))
        return [each for each in np.split(rows, cuts[cuts > 0]) if len(each)]

    def load(self, rows: Ints) -> Batch:
        """These images with everybody's annotations on them."""
        return self.loaded(rows)[0]

    def loaded(self, rows: Ints) -> tuple[Batch, Flags]:
        """The same, and (n_annotations, n_categories) whether each annotation was to show each category."""
        wanted = np.full(len(self.image_ids), -1, np.int64)
        wanted[rows] = np.arange(len(rows))
        batches, image, member = [], [_NONE], [_NONE]
        for k, each in enumerate(self.members):
            chosen = np.flatnonzero((self.member == k) & (wanted[self.image] >= 0))
            if len(chosen):
                batches.append(self._of_member(k, each.dataset.source.load(self.row[chosen])))
                image.append(wanted[self.image[chosen]])
                member.append(np.full(len(chosen), k))
        at, of = np.concatenate(image), np.concatenate(member)
        every, kept = _of_one_size(concatenate_batches(batches), at)
        batch, order = merge_images(every, at[kept])
        return _aliased(_in_passes(batch), self.aliases), self.taxonomies.asked[of[kept][every.annotation_image[order]]]

    def _of_member(self, k: int, batch: Batch) -> Batch:
        """A member's batch with the panel's names of annotators and ids of categories."""
        member = self.members[k]
        annotator = batch.annotations["annotator"]
        if member.name is not None:
            _check_one_each(batch, member)
        whom = pa.array([member.name or each or member.called for each in annotator.to_pylist()], pa.string())
        at = batch.annotations.schema.get_field_index("annotator")
        annotations = batch.annotations.set_column(at, batch.annotations.schema.field(at), whom)
        category = self.taxonomies.to_panel(k, batch.segments["category_id"].to_numpy())
        segments = replace_column(batch.segments, "category_id", category)
        return replace(batch, annotations=annotations, segments=segments, defects=member.own(batch.defects))


def panel(
    members: Sequence[Member],
    *,
    pair_by: str | None = None,
    renamed: Mapping[str, str | None] | None = None,
) -> Panel:
    """The members' images in common, and those that only some have.

    Parameters
    ----------
    members : one dataset with several annotators, or several datasets
    pair_by : what images of one picture have in common: ``id``, ``stem`` (path without extension), ``name``,
        ``varying`` (what tells the images of one dataset apart), ``content`` (their files are equal; also finds
        images that are hidden in a dataset twice); None: the first of these but the last that pairs any
    renamed : old name of a category -> the name that it is compared under; None: it is left out

    Raises SegdataError where no image is in common, and for an unknown `pair_by`.
    """
    if pair_by is not None:
        check_choice("pair by", pair_by, get_args(PairBy))
    members = [member.beside(members) for member in members]
    taxonomies = reconciled([member.dataset.profile for member in members], renamed or {})
    by, found = paired(members, pair_by)
    order = {key: k for k, key in enumerate(found)}
    links = [(order[key], k, row) for key, rows in found.items() for k, row in rows]
    image, member, row = np.array(links, np.int64).reshape(-1, 3).T
    ids = _ids(members, found)
    case = _cases(members, found)
    by_case = np.argsort(case, kind="stable")
    place = np.empty(len(by_case), np.int64)
    place[by_case] = np.arange(len(by_case))
    image = place[image]
    sorted_links = np.lexsort((row, member, image))
    first = members[0].dataset.profile
    sequences = {each.name: each for member_ in reversed(members) for each in member_.dataset.profile.sequences}
    profile = replace(
        first,
        name=", ".join(member_.called for member_ in members),
        files=", ".join(member_.dataset.profile.files for member_ in members),
        taxonomy=taxonomies.taxonomy,
        sequences=tuple(sequences.values()),
        metadata={},
    )
    defects = [each for one in members for each in one.own(one.dataset.source.defects) if each.severity == "error"]
    return Panel(
        members=tuple(members),
        taxonomies=taxonomies,
        by=by,
        image=image[sorted_links],
        member=member[sorted_links],
        row=row[sorted_links],
        image_ids=[ids[k] for k in by_case.tolist()],
        profile=profile,
        defects=[*defects, *taxonomies.defects, *unpaired(members, found)],
        case=case[by_case],
    )


_NONE = np.empty(0, np.int64)


def _ids(members: Sequence[Member], found: Found) -> list[str]:
    return [members[rows[0][0]].dataset.source.image_ids[rows[0][1]] for rows in found.values()]


def _cases(members: Sequence[Member], found: Found) -> Ints:
    """(n_images,) a number for each volume and each other image."""
    if not has_volumes(members[0].dataset.profile):
        return np.arange(len(found))
    volumes = {each.name for each in members[0].dataset.profile.sequences if each.kind == "volume"}
    images = members[0].dataset.images
    sequence = dict(zip(images["image_id"], images["sequence"], strict=True))
    numbers: dict[tuple[str, bool], int] = {}
    case = []
    for name in _ids(members, found):
        volume = sequence.get(name)
        case.append(numbers.setdefault((volume, True) if volume in volumes else (name, False), len(numbers)))
    return np.array(case, np.int64)


def _check_one_each(batch: Batch, member: Member) -> None:
    """Raise SegdataError where an image has two annotations that would get one name."""
    image = batch.annotation_image
    if len(np.unique(image)) < len(image):
        known = sorted({str(each) for each in batch.annotations["annotator"].to_pylist()})
        raise SegdataError(
            f"{member.dataset.profile.files}: it holds the work of {', '.join(known)}, which cannot all be called "
            f"{member.name}; leave out '{member.name}='"
        )


def _of_one_size(batch: Batch, image: Ints) -> tuple[Batch, Ints]:
    """The batch without the images whose size is not that of the first one of the same picture; and which stay.

    An image whose size is not known is not the first one.
    """
    height, width = batch.image_size
    unknown = height * width == 0  # the file cannot be read, and the reader has said so
    order = np.argsort(unknown, kind="stable")
    _, first, which = np.unique(image[order], return_index=True, return_inverse=True)
    own = order[first[which]][np.argsort(order)]
    other = (height != height[own]) | (width != width[own])
    if not other.any():
        return batch, np.arange(len(image))
    names = batch.images["image_id"].to_pylist()
    defects = [
        Defect(
            SIZES,
            f"{width[row]} x {height[row]} px here, {width[own[row]]} x {height[own[row]]} px in the first dataset "
            "that has it; not compared",
            image=names[own[row]],
            annotator=_annotators_of(batch, row),
        )
        for row in np.flatnonzero(other & ~unknown).tolist()
    ]
    kept = np.flatnonzero(~other)
    taken = batch.take_images(kept)
    return replace(taken, defects=(*batch.defects, *defects)), kept


def _annotators_of(batch: Batch, row: int) -> str | None:
    there = np.flatnonzero(batch.annotation_image == row)
    names = batch.annotations["annotator"].take(pa.array(there)).to_pylist()
    return names[0] if names else None


def _in_passes(batch: Batch) -> Batch:
    """The batch with every further annotation of an image by one annotator under a name of its own."""
    names = batch.annotations["annotator"].to_pylist()
    seen: dict[tuple[int, str], int] = {}
    told = []
    for image, name in zip(batch.annotation_image.tolist(), names, strict=True):
        seen[image, name] = seen.get((image, name), 0) + 1
        told.append(name if seen[image, name] == 1 else f"{name} ({seen[image, name]})")
    return batch if told == names else replace(batch, annotations=replace_column(batch.annotations, "annotator", told))


def _aliased(batch: Batch, aliases: Mapping[str, str]) -> Batch:
    if not aliases:
        return batch
    names = [aliases.get(name, name) for name in batch.annotations["annotator"].to_pylist()]
    return replace(batch, annotations=replace_column(batch.annotations, "annotator", names))
