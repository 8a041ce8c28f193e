"""Panel: the work of several annotators on the same images as one source with one taxonomy."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from segdata.agreement.joint_taxonomy import TAXONOMY_CODE, JointTaxonomy, join_taxonomies, profile_categories
from segdata.core.batch import Batch, concatenate_batches, merge_images, replace_column
from segdata.core.config import Config, parse_coverage
from segdata.core.dataset import EmptySource, OpenDataset
from segdata.core.errors import SegdataError, check_choice, count_noun, list_names
from segdata.core.finding import Defect
from segdata.core.format import Detached, PortionReader, detach
from segdata.core.paths import PairBy, PairingKey, pairing_keys
from segdata.core.profile import Profile, has_volumes
from segdata.core.runs import Flags, Ints, positions_in
from segdata.core.table import Table
from segdata.core.taxonomy import Taxonomy

UNPAIRED_CODE, SIZES_CODE = "SEG410", "SEG411"
ImageRows = dict[PairingKey, list[tuple[int, int]]]
_NONE = np.empty(0, np.int64)
_TRIED: tuple[PairBy, ...] = ("id", "stem", "name", "varying")


@dataclass(frozen=True, slots=True)
class PanelMember:
    """One dataset of a panel."""

    dataset: OpenDataset
    name: str | None = None  # the annotator of everything in it; None: as its annotations say, or else as it is called
    depth: int = 1  # of how many parts of its path what it is called is made
    unnamed: str | None = None  # display name that replaces its path

    @property
    def display_name(self) -> str:
        """The name of annotators who have none in the dataset."""
        return self.name or self.unnamed or "/".join(self._path.parts[-self.depth :]) or "unnamed"

    @property
    def _path(self) -> Path:
        return Path(self.dataset.profile.files or self.dataset.profile.name)

    def without_data(self) -> "PanelMember":
        """The member for another process, which gets its images from a reader."""
        empty = EmptySource(self.dataset.profile)
        return replace(self, dataset=replace(self.dataset, source=empty, config=Config(), rows=None, recipe=None))

    def own_defects(self, defects: Sequence[Defect]) -> tuple[Defect, ...]:
        """The defects of its files, with the annotator."""
        return tuple(replace(defect, annotator=defect.annotator or self.name) for defect in defects)

    def distinguish(self, others: "Sequence[PanelMember]") -> "PanelMember":
        """The member with a display name that has as many parts of its path as distinguish it from others."""
        others = [other for other in others if other.name is None and other._path != self._path]
        depths = range(1, len(self._path.parts) + 1)
        apart = (k for k in depths if all(other._path.parts[-k:] != self._path.parts[-k:] for other in others))
        return self if self.name else replace(self, depth=next(apart, 1))


def match_images(members: Sequence[PanelMember], pair_by: str | None) -> tuple[PairBy, ImageRows]:
    """Key -> (member, row of its source) of every image, in the order in which they occur.

    Raises SegdataError, with examples of names, if no image is in two datasets.
    """
    tried: tuple[PairBy, ...] = _TRIED if pair_by is None else (pair_by,)  # type: ignore[assignment]  # checked
    for by in tried:
        images: ImageRows = {}
        for k, member in enumerate(members):
            ids = member.dataset.image_ids
            keys = _content_keys(member.dataset) if by == "content" else pairing_keys(ids, by)
            for key, row in zip(keys, member.dataset.source_rows.tolist(), strict=True):
                images.setdefault(key, []).append((k, row))
        if len(members) == 1 or any(len({k for k, _ in rows}) > 1 for rows in images.values()):
            return by, images
    examples = ", ".join(f"{member.display_name} has {list_names(member.dataset.image_ids)}" for member in members)
    others = " or ".join(f"--pair {by}" for by in get_args(PairBy) if by not in tried)
    raise SegdataError(
        f"no image is in two datasets, by {' or '.join(tried)}: {examples}; rename them, or compare by something else: "
        f"{others}"
    )


def _content_keys(dataset: OpenDataset) -> list[PairingKey]:
    """(n,) hashes of the image files; the id for an image without a file."""
    order = {name: k for k, name in reversed(list(enumerate(dataset.image_ids)))}
    keys: list[PairingKey] = [(name, "id") for name in dataset.image_ids]
    for batch in dataset.batches():
        for name, digest_, uri in zip(
            *(batch.images[column].to_pylist() for column in ("image_id", "sha256", "uri")), strict=True
        ):
            digest = digest_ or _file_hash(uri)
            if digest is not None:
                keys[order[name]] = (digest, "sha256")
    return keys


def _file_hash(uri: str | None) -> str | None:
    if uri is None or not Path(uri).is_file():
        return None
    with Path(uri).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unmatched_images(members: Sequence[PanelMember], images: ImageRows) -> list[Defect]:
    """Defects about images that could not be paired, one per dataset."""
    if len(members) == 1:
        return []
    alone: dict[int, list[str]] = {}
    for rows in images.values():
        if len({k for k, _ in rows}) == 1:
            k, row = rows[0]
            alone.setdefault(k, []).append(members[k].dataset.source.image_ids[row])
    return [
        Defect(
            UNPAIRED_CODE,
            f"{count_noun(len(names), 'image')} of "
            f"{count_noun(len(members[k].dataset), 'image')} in {members[k].display_name} "
            f"{'is' if len(names) == 1 else 'are'} in no other dataset: {list_names(names)}",
            file=members[k].dataset.profile.files,
        )
        for k, names in sorted(alone.items())
    ]


@dataclass(frozen=True)
class Panel:
    """A source (see `segdata.core.format.Source`) of the images of one or several datasets.

    Paired images of different datasets are one image here; each annotation names its annotator. A second annotation of
    an image by one annotator is their second pass, ``anna (2)``.
    """

    members: tuple[PanelMember, ...]  # the datasets
    taxonomies: JointTaxonomy  # their categories in the panel
    by: PairBy  # the key by which images were paired
    image: Ints  # (m,) images of the panel, ascending
    member: Ints  # (m,) members that have them
    row: Ints  # (m,) the image's row in the member's source
    image_ids: Sequence[str]  # (n_images,) as the first member that has the image calls them
    profile: Profile  # of the whole
    defects: Sequence[Defect]  # of the whole
    case: Ints  # (n_images,) the same number for the slices of one volume, ascending
    aliases: Mapping[str, str] = field(default_factory=dict)  # annotator -> the name to use instead

    @property
    def volumes(self) -> frozenset[str]:
        """The names of the sequences that are volumes."""
        return frozenset(sequence.name for sequence in self.profile.sequences if sequence.kind == "volume")

    def chunks(self) -> list[Ints]:
        """Rows of images in portions; volumes stay whole."""
        n = max(sum(len(member.dataset.chunks()) for member in self.members), 1)
        chunk_starts = np.linspace(0, len(self.case), min(n, max(len(self.case), 1)) + 1).astype(np.int64)[1:-1]
        starts = np.flatnonzero(np.diff(self.case, prepend=-1))
        cuts = np.unique(starts[np.searchsorted(starts, chunk_starts, side="left").clip(max=len(starts) - 1)])
        rows = np.arange(len(self.case))
        return [chunk for chunk in np.split(rows, cuts[cuts > 0]) if len(chunk)]

    def load(self, rows: Ints) -> Batch:
        """Load images with the annotations of all annotators."""
        return self.load_asked(rows)[0]

    def load_asked(self, rows: Ints) -> tuple[Batch, Flags]:
        """Load some images; also returns (n_annotations, n_categories) whether each was asked for each category."""
        places = self._places(rows)
        return self._join(places, [self.members[k].dataset.source.load(own) for k, own, _ in places])

    def detached(self) -> Detached | None:
        """Detach the panel: a reader that loads portions as `load_asked` does; None if a member cannot be detached."""
        pieces = [detach(member.dataset.source) for member in self.members]
        present = [piece for piece in pieces if piece is not None]
        if len(present) < len(pieces):
            return None
        members = tuple(member.without_data() for member in self.members)
        bare = replace(
            self, members=members, image=_NONE, member=_NONE, row=_NONE, image_ids=(), defects=(), case=_NONE
        )

        def cut(rows: Ints) -> list[tuple[int, Any, Ints]]:  # Any: what the member's reader needs
            return [(k, present[k].cut(own), place) for k, own, place in self._places(rows)]

        return Detached(PanelReader(bare, tuple(piece.reader for piece in present)), cut)

    def _places(self, rows: Ints) -> list[tuple[int, Ints, Ints]]:
        """The members that have some of these images, their rows there, and the position of each in `rows`."""
        place = positions_in(rows, len(self.image_ids))
        member_rows = [np.flatnonzero((self.member == k) & (place[self.image] >= 0)) for k in range(len(self.members))]
        return [
            (k, self.row[positions], place[self.image[positions]])
            for k, positions in enumerate(member_rows)
            if len(positions)
        ]

    def _join(self, places: Sequence[tuple[int, Any, Ints]], loaded: Sequence[Batch]) -> tuple[Batch, Flags]:
        """Join the results of `load_asked` of the members at these places."""
        batches = [self._of_member(k, batch) for (k, _, _), batch in zip(places, loaded, strict=True)]
        image = [_NONE, *(place for _, _, place in places)]
        member = [_NONE, *(np.full(len(place), k) for k, _, place in places)]
        image_of, member_of = np.concatenate(image), np.concatenate(member)
        joined, kept = _drop_other_sizes(concatenate_batches(batches), image_of)
        batch, order = merge_images(joined, image_of[kept])
        of_annotation = member_of[kept][joined.annotation_image[order]]
        return _apply_aliases(_number_passes(batch), self.aliases), self._asked_categories(batch, of_annotation)

    def _asked_categories(self, batch: Batch, member: Ints) -> Flags:
        """(n_annotations, n_categories) whether the annotations of members (n_annotations,) were asked for a category.

        The coverage of an annotation, which names the judged categories, overrides that of its dataset.
        """
        asked = self.taxonomies.asked[member]
        rows: dict[tuple[int, str], list[int]] = {}
        for row, (k, text) in enumerate(zip(member.tolist(), batch.annotations["coverage"].to_pylist(), strict=True)):
            if text is not None:
                rows.setdefault((k, text), []).append(row)
        for (k, text), same in rows.items():
            coverage = parse_coverage(text)
            if isinstance(coverage, dict):
                judged = {name for name, value in coverage.items() if value == "exhaustive"}
                asked[same] = self.taxonomies.judged_categories(k, self.members[k].dataset.profile, judged)
        return asked

    def _of_member(self, k: int, batch: Batch) -> Batch:
        """A member's batch with the panel's names of annotators and ids of categories."""
        member = self.members[k]
        annotator = batch.annotations["annotator"]
        if member.name is not None:
            _check_single_annotations(batch, member)
        names = pa.array([member.name or name or member.display_name for name in annotator.to_pylist()], pa.string())
        column = batch.annotations.schema.get_field_index("annotator")
        annotations = batch.annotations.set_column(column, batch.annotations.schema.field(column), names)
        category = self.taxonomies.to_panel(k, batch.segment_category)
        segments = replace_column(batch.segments, "category_id", category)
        return replace(batch, annotations=annotations, segments=segments, defects=member.own_defects(batch.defects))


@dataclass(frozen=True, slots=True)
class PanelReader:
    """Loads portions of a panel by the readers of its members; its results are those of `Panel.load_asked`."""

    panel: Panel
    readers: tuple[PortionReader, ...]

    def load(self, portion: list[tuple[int, Any, Ints]]) -> Any:  # Any: no batch alone
        """The images of a portion."""
        return self.panel._join(portion, [self.readers[k].load(own) for k, own, _ in portion])


def build_panel(
    members: Sequence[PanelMember], *, pair_by: str | None = None, renamed: Mapping[str, str | None] | None = None
) -> Panel:
    """Build the panel of the images that members have in common; its defects name images that only one has.

    Parameters
    ----------
    members : one dataset with several annotators, or several datasets
    pair_by : the property that paired images share: ``id``, ``stem`` (path without extension), ``name``,
        ``varying`` (the part of the id that varies within a dataset), ``content`` (equal files; also finds
        images that are hidden in a dataset twice); None: the first of these, without the last, that pairs any
    renamed : old name of a category -> the name under which it is compared; None: it is left out

    Raises SegdataError if no image is in common, and for an unknown `pair_by`.
    """
    if pair_by is not None:
        check_choice("pair by", pair_by, get_args(PairBy))
    members = [member.distinguish(members) for member in members]
    taxonomies = join_taxonomies([member.dataset.profile for member in members], renamed or {})
    by, images = match_images(members, pair_by)
    order = {key: k for k, key in enumerate(images)}
    links = [(order[key], k, row) for key, rows in images.items() for k, row in rows]
    image, member, row = np.array(links, np.int64).reshape(-1, 3).T
    ids = _image_ids(members, images)
    case = _case_numbers(members, images)
    by_case = np.argsort(case, kind="stable")
    place = positions_in(by_case, len(by_case))
    image = place[image]
    sorted_links = np.lexsort((row, member, image))
    defects = [
        defect
        for own in members
        for defect in own.own_defects(own.dataset.source.defects)
        if defect.severity == "error"
    ]
    return Panel(
        members=tuple(members),
        taxonomies=taxonomies,
        by=by,
        image=image[sorted_links],
        member=member[sorted_links],
        row=row[sorted_links],
        image_ids=[ids[k] for k in by_case.tolist()],
        profile=_joint_profile(members, taxonomies.taxonomy),
        defects=[*defects, *taxonomies.defects, *unmatched_images(members, images)],
        case=case[by_case],
    )


def _joint_profile(members: Sequence[PanelMember], taxonomy: Taxonomy) -> Profile:
    """The profile of the whole: the first member's, with the names, files and sequences of all."""
    profiles = [member.dataset.profile for member in members]
    sequences = {sequence.name: sequence for profile in reversed(profiles) for sequence in profile.sequences}
    return replace(
        profiles[0],
        name=", ".join(member.display_name for member in members),
        files=", ".join(profile.files for profile in profiles),
        taxonomy=taxonomy,
        sequences=tuple(sequences.values()),
        metadata={},
    )


def _image_ids(members: Sequence[PanelMember], images: ImageRows) -> list[str]:
    return [members[rows[0][0]].dataset.source.image_ids[rows[0][1]] for rows in images.values()]


def _case_numbers(members: Sequence[PanelMember], matched: ImageRows) -> Ints:
    """(n_images,) a number for each volume and each other image."""
    if not has_volumes(members[0].dataset.profile):
        return np.arange(len(matched))
    volumes = {sequence.name for sequence in members[0].dataset.profile.sequences if sequence.kind == "volume"}
    images = members[0].dataset.images
    sequence = dict(zip(images["image_id"], images["sequence"], strict=True))
    numbers: dict[tuple[str, bool], int] = {}
    case = []
    for name in _image_ids(members, matched):
        volume = sequence.get(name)
        case.append(numbers.setdefault((volume, True) if volume in volumes else (name, False), len(numbers)))
    return np.array(case, np.int64)


def _check_single_annotations(batch: Batch, member: PanelMember) -> None:
    """Raise SegdataError if an image has two annotations that would get the same name."""
    image = batch.annotation_image
    if len(np.unique(image)) < len(image):
        names = sorted({str(name) for name in batch.annotations["annotator"].to_pylist()})
        raise SegdataError(
            f"{member.dataset.profile.files}: it holds the work of {', '.join(names)}, which cannot all be called "
            f"{member.name}; leave out '{member.name}='"
        )


def _drop_other_sizes(batch: Batch, image: Ints) -> tuple[Batch, Ints]:
    """Drop images whose size differs from that of the first paired image; returns the batch and the kept images.

    The first image is the first one of known size.
    """
    height, width = batch.image_size
    unknown = height * width == 0  # the file cannot be read, and the reader has said so
    order = np.argsort(unknown, kind="stable")
    _, first, inverse = np.unique(image[order], return_index=True, return_inverse=True)
    own = order[first[inverse]][np.argsort(order)]
    other = (height != height[own]) | (width != width[own])
    if not other.any():
        return batch, np.arange(len(image))
    names = batch.images["image_id"].to_pylist()
    defects = [
        Defect(
            SIZES_CODE,
            f"{width[row]} x {height[row]} px here, {width[own[row]]} x {height[own[row]]} px in the first dataset "
            "that has it; not compared",
            image=names[own[row]],
            annotator=_first_annotator(batch, row),
        )
        for row in np.flatnonzero(other & ~unknown).tolist()
    ]
    kept = np.flatnonzero(~other)
    kept_images = batch.take_images(kept)
    return replace(kept_images, defects=(*batch.defects, *defects)), kept


def _first_annotator(batch: Batch, row: int) -> str | None:
    rows = np.flatnonzero(batch.annotation_image == row)
    names = batch.annotations["annotator"].take(pa.array(rows)).to_pylist()
    return names[0] if names else None


def _number_passes(batch: Batch) -> Batch:
    """Give every further annotation of an image by one annotator a name of its own, such as ``anna (2)``."""
    names = batch.annotations["annotator"].to_pylist()
    n_passes: dict[tuple[int, str], int] = {}
    numbered = []
    for image, name in zip(batch.annotation_image.tolist(), names, strict=True):
        n_passes[image, name] = n_passes.get((image, name), 0) + 1
        numbered.append(name if n_passes[image, name] == 1 else f"{name} ({n_passes[image, name]})")
    return (
        batch
        if numbered == names
        else replace(batch, annotations=replace_column(batch.annotations, "annotator", numbered))
    )


def _apply_aliases(batch: Batch, aliases: Mapping[str, str]) -> Batch:
    if not aliases:
        return batch
    names = [aliases.get(name, name) for name in batch.annotations["annotator"].to_pylist()]
    return replace(batch, annotations=replace_column(batch.annotations, "annotator", names))


def check_sizes(panel: Panel, defects: Iterable[Defect]) -> None:
    """Raise SegdataError if images have different sizes in each dataset; call it if no annotators can be compared."""
    first = next((defect for defect in defects if defect.code == SIZES_CODE), None)
    if first is not None:
        problem = "no image has the same size in two datasets"
        raise SegdataError(f"{panel.profile.files}: {problem}; {first.image}: {first.message}")


def never_judged(panel: Panel, annotations: Table) -> Iterator[Defect]:
    """Defects about categories of all datasets that an annotator judged in no image, by the annotations' coverage.

    `annotations` has the columns `annotator` and `coverage`. Categories that a dataset lacks are reported elsewhere.
    """
    taxonomies = panel.taxonomies
    name_of = {category.id: category.name for category in taxonomies.taxonomy.categories if category.kind != "void"}
    shared = set(name_of).intersection(*(mine.values() for mine in taxonomies.codes))
    ids = {
        own.name: mine[id_]
        for member, mine in zip(panel.members, taxonomies.codes, strict=True)
        for id_, own in profile_categories(member.dataset.profile).items()
    }
    judged: dict[str, set[int]] = {}
    for annotator, text in set(zip(annotations["annotator"].tolist(), annotations["coverage"].tolist(), strict=True)):
        coverage = parse_coverage(text)
        of_names = coverage if isinstance(coverage, dict) else dict.fromkeys(ids, "exhaustive")
        names = (name for name, how in of_names.items() if how == "exhaustive" and name in ids)
        judged.setdefault(annotator, set()).update(ids[name] for name in names)
    for annotator, own in sorted(judged.items()):
        missing = [name_of[id_] for id_ in sorted(shared - own)]
        if missing:
            message = f"{annotator} judged no {list_names(missing, 5)}, and what others drew there is left out"
            yield Defect(TAXONOMY_CODE, message, annotator=annotator, severity="info")
