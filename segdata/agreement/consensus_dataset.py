"""Consensus dataset: write the consensus on a panel's images as a canonical dataset, with a result for reports."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import count
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.agreement.comparison import compare_panel, mark_outside, person_name
from segdata.agreement.consensus import (
    MAJORITY,
    ConsensusMethod,
    MethodName,
    UndecidedRegion,
    consensus_annotations,
    number_regions,
    reach_consensus,
    undecided_regions,
    voters,
)
from segdata.agreement.copying import IdenticalWork, compare_digests, judge_couples, second_voice, telling_parts
from segdata.agreement.estimates import DEFAULT_RESAMPLING, PairAmounts, Resampling, category_scores, pair_scores
from segdata.agreement.panel import Panel, check_sizes
from segdata.agreement.scores import Count, Score
from segdata.agreement.surface_distances import Tolerance
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch, concatenate_batches, merge_images
from segdata.core.config import Overlap
from segdata.core.errors import SegdataError
from segdata.core.executor import no_progress, run_ordered
from segdata.core.finding import Defect
from segdata.core.losses import Loss, LossCounter
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import ratio
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.output import ImageCopies
from segdata.store.revision_writer import write_canonical


@dataclass(frozen=True, slots=True)
class CopiedAnnotations:
    """Annotations that count as one annotator's work, and the identical segments of every pair."""

    # image_id -> annotator -> who speaks for them; who is not named speaks for themselves
    speaker: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    identical: tuple[IdenticalWork, ...] = ()

    def silent(self, batch: Batch, beside: str | None = None) -> Flags:
        """(n_annotations,) whether another annotation votes for this one, or it is a copy of the annotator `beside`."""
        ids, names = batch.images["image_id"].to_pylist(), batch.annotations["annotator"].to_pylist()
        flags = []
        for image, name in zip(batch.annotation_image.tolist(), names, strict=True):
            speaker = self.speaker.get(ids[image], {})
            voice = speaker.get(name, name)
            flags.append(
                voice == speaker.get(beside, beside) if beside is not None and name != beside else voice != name
            )
        return np.array(flags, bool)


def find_copied_annotations(panel: Panel, resampling: Resampling, jobs: int = 0) -> CopiedAnnotations:
    """Find copies as `find_copies` does, by identical segments only, in one pass over the labels.

    If there are only two annotators, both keep their vote. Segments are compared image by image, also in volumes.
    """
    connected = panel.profile.task == "semantic" and not panel.volumes
    parts = list(run_ordered(lambda rows: _segment_hashes(panel.load(rows), rows, connected), panel.chunks(), jobs))
    names = sorted({name for part in parts for name in part.names})
    position = {name: k for k, name in enumerate(names)}
    image = np.concatenate([np.zeros(0, np.int64), *(part.image for part in parts)])
    digest = np.concatenate([np.zeros(0, np.uint64), *(part.digest for part in parts)])
    who = [np.array([position[name] for name in part.names], np.int64)[part.annotator] for part in parts]
    annotator = np.concatenate([np.zeros(0, np.int64), *who])
    models = [
        k for k, name in enumerate(names) if {s for part in parts for s in part.sources.get(name, ())} == {"model"}
    ]
    present = np.zeros((len(panel.image_ids), len(names)), bool)
    for part in parts:
        for row, name in part.present:
            present[row, position[name]] = True
    rows = compare_digests(image, annotator, digest, present, models, np.arange(len(names)))
    couples = judge_couples(rows, panel.case, models, resampling)
    speaker: dict[str, dict[str, str]] = {}
    results = []
    for couple in couples:
        silent = couple.silent if len(couples) > 1 else couple.silent[:0]
        second = second_voice(couple.who, models, None)
        first = couple.who[0] if second == couple.who[1] else couple.who[1]
        for row in silent.tolist():
            of_image = speaker.setdefault(panel.image_ids[row], {})
            of_image.setdefault(names[second], of_image.get(names[first], names[first]))
        together = int(present[:, list(couple.who)].all(axis=1).sum())
        results.append(couple.result(names, together, np.ones(len(silent), np.int64)))
    return CopiedAnnotations(speaker, tuple(results))


@dataclass(frozen=True, slots=True)
class _SegmentHashes:
    """The image, annotator and hash of pixels of n segments that can show copying."""

    names: Sequence[str]
    image: Ints
    annotator: Ints
    digest: NDArray[np.uint64]
    present: Sequence[tuple[int, str]]  # images that each annotated
    sources: Mapping[str, set[str | None]]  # of each annotator's annotations


def _segment_hashes(batch: Batch, rows: Ints, connected: bool) -> _SegmentHashes:
    called = [str(name) for name in batch.annotations["annotator"].to_pylist()]
    names = sorted(set(called))
    segment, digest = telling_parts(batch, connected=connected)
    further = np.array([person_name(name) != name for name in called], bool)
    own = ~further[batch.segment_annotation[segment]]
    segment, digest = segment[own], digest[own]
    position = {name: k for k, name in enumerate(names)}
    who = np.array([position[name] for name in called], np.int64)[batch.segment_annotation[segment]]
    sources: dict[str, set[str | None]] = {}
    for name, source in zip(called, batch.annotations["source"].to_pylist(), strict=True):
        sources.setdefault(name, set()).add(source)
    images = np.asarray(rows)[batch.annotation_image].tolist()
    place = np.asarray(rows)[batch.segment_image[segment]]
    return _SegmentHashes(names, place, who, digest, list(zip(images, called, strict=True)), sources)


NO_COPIES = CopiedAnnotations()


# No means over images: they would penalise an annotator for images in which little of a category is decided.
AGAINST_OTHERS_SCORES = ("iou_micro", "dice_micro", "boundary_iou", "nsd", "f1", "kappa")
SHARES = ("missed", "extra", "missed_things", "extra_things")


class CategoryAgainstOthers(msgspec.Struct, frozen=True):
    """The score of one category: f1 of segments for things, or dice_micro, of all pixels, for all else."""

    category: str
    score: str
    value: Score


class AgainstOthers(msgspec.Struct, frozen=True, kw_only=True):
    """An annotator against the consensus of the others, without the annotator's own work.

    `images`, `clusters`: the images that the annotator and at least two others annotated (one of two annotators), and
    their sequences, patients or scenes. `boundary_offset`: by how many px the annotator draws larger, or mm if the
    spacing is known. `missed`: the share of the others' pixels that the annotator lacks; `extra`: the share of the
    annotator's pixels that the others lack; `missed_things`, `extra_things`: the same for segments of things.
    `categories`: those that either drew. Other scores are those of `segdata agreement`.
    """

    annotator: str
    images: Count
    clusters: Count
    iou_micro: Score
    dice_micro: Score
    boundary_iou: Score
    nsd: Score
    f1: Score
    kappa: Score
    boundary_offset: Score
    missed: Score
    extra: Score
    missed_things: Score
    extra_things: Score
    categories: tuple[CategoryAgainstOthers, ...]


def compare_with_others(
    panel: Panel,
    annotators: Iterable[str],
    method: ConsensusMethod,
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
    copies: CopiedAnnotations | None = None,
    jobs: int = 0,
    progress: Callable[[int], None] = no_progress,
) -> tuple[AgainstOthers, ...]:
    """Compare each annotator, by name, with the consensus of the others.

    The consensus is computed by the same method; pixels on which the others do not agree are void and do not count.
    Further passes of a person are left out, and so are annotators without an image that enough others annotated: two,
    or one if there are two annotators. Every annotator takes a pass over the images.
    """
    names = sorted(annotators)
    results = []
    for name in names:
        left = LeaveOneOutPanel(
            **{field.name: getattr(panel, field.name) for field in fields(Panel)},
            whom=name,
            method=method,
            least=min(2, len(names) - 1),
            copies=copies or NO_COPIES,
        )
        tables = compare_panel(left, jobs=jobs, progress=progress)
        if tables.annotator_pairs is not None and len(tables.annotator_pairs.pairs):
            results.append(_scores_against_others(name, tables.annotator_pairs, resampling))
    return tuple(results)


@dataclass(frozen=True)
class LeaveOneOutPanel(Panel):
    """A panel of two: one annotator, and the consensus of the others on the same images."""

    whom: str = ""  # the annotator
    method: ConsensusMethod = MAJORITY  # of the consensus
    least: int = 2  # on images with fewer others there is no consensus
    copies: CopiedAnnotations = NO_COPIES  # annotations that are copies

    @property
    def consensus_name(self) -> str:
        """The name of the consensus."""
        return f"all but {self.whom}"

    def load_asked(self, rows: Ints) -> tuple[Batch, Flags]:
        """Load images; also returns (n_annotations, n_categories) whether each side was asked for each category."""
        images = mark_outside(self, *Panel.load_asked(self, rows))
        batch, categories = images.batch, images.categories
        mine, theirs = self._sides(batch)
        own, others = images.select(mine), images.select(theirs)
        overlap: Overlap = self.profile.overlap.value
        consensus = reach_consensus(
            others.with_category("undecided"), self.method, overlap=overlap, void=len(categories)
        )
        deep = [name in self.volumes for name in batch.images["sequence"].to_pylist()]
        # All void categories are equal here, since void is not compared.
        ids = np.array([*(category.id for category in categories), categories[-1].id])
        annotated = consensus_annotations(others.batch, consensus, ids, name=self.consensus_name, deep=deep)
        joined, order = merge_images(
            concatenate_batches([own.batch, annotated]), np.tile(np.arange(batch.images.num_rows), 2)
        )
        assert own.asked is not None
        assert others.asked is not None
        of_made = np.zeros((annotated.annotations.num_rows, len(categories)), bool)
        of_image = np.searchsorted(annotated.annotation_image, others.batch.annotation_image)
        np.logical_or.at(of_made, of_image, others.asked)
        return joined, np.concatenate([own.asked, of_made])[
            order, :-1
        ]  # the comparison adds the category for pixels outside again

    def _sides(self, batch: Batch) -> tuple[Flags, Flags]:
        """(n_annotations,) the annotations of the annotator, and those of the others on images with enough of them."""
        counts = voters(batch, 1)
        own = counts & np.array([name == self.whom for name in batch.annotations["annotator"].to_pylist()], bool)
        others = counts & ~own & ~self.copies.silent(batch, self.whom)
        image, n = batch.annotation_image, batch.images.num_rows
        shared = (np.bincount(image[own], minlength=n) > 0) & (np.bincount(image[others], minlength=n) >= self.least)
        return own & shared[image], others & shared[image]


def _scores_against_others(name: str, comparison: AnnotatorPairs, resampling: Resampling) -> AgainstOthers:
    """The scores of an annotator against a consensus."""
    amounts = PairAmounts.from_pairs(comparison)
    rows = amounts.all_rows
    is_first = comparison.annotators[0] == name
    scores = pair_scores(amounts, rows, resampling, (*AGAINST_OTHERS_SCORES, "offset"))
    offset = scores.pop("offset")
    if is_first:  # offsets are those of the second annotator
        offset = msgspec.structs.replace(offset, value=-offset.value, low=-offset.high, high=-offset.low)
    shares = _missed_and_extra(amounts, rows, resampling, is_first)
    countable = comparison.countable.tolist()
    categories = tuple(
        CategoryAgainstOthers(category.name, score, category_values[score])
        for category, category_values, counted in zip(
            comparison.categories,
            category_scores(amounts, rows, resampling, ("dice_micro", "f1")),
            countable,
            strict=True,
        )
        if category.kind != "void"
        and category_values[score := "f1" if counted else "dice_micro"].value == category_values[score].value
    )
    frames = comparison.cases["frames"]
    return AgainstOthers(
        annotator=name,
        images=int(frames[amounts.case].sum()),
        clusters=amounts.units(rows)[1],
        **scores,
        boundary_offset=offset,
        **dict(zip(SHARES, shares, strict=True)),
        categories=categories,
    )


def _missed_and_extra(
    amounts: PairAmounts, rows: Ints, resampling: Resampling, is_first: bool
) -> tuple[Score, Score, Score, Score]:
    """`SHARES`, over all categories together."""
    unit, n = amounts.units(rows)
    sums = amounts.sums.group(unit, n)
    things = amounts.comparison.countable
    names = ("area_a", "area_b", "fn", "fp")

    def statistic(weights: Floats) -> Floats:
        sums_of = amounts.weigh(sums, weights).amounts
        area_a, area_b, only_a, only_b = (sums_of[annotator] for annotator in names)
        both, matched = sums_of["both"].sum(axis=1), sums_of["tp"][:, things].sum(axis=1)
        pixels = [area_b.sum(axis=1), area_a.sum(axis=1)]
        segments = [unmatched[:, things].sum(axis=1) for unmatched in (only_b, only_a)]
        if not is_first:
            pixels, segments = pixels[::-1], segments[::-1]
        return np.stack(
            [ratio(amount - both, amount) for amount in pixels]
            + [ratio(amount, amount + matched) for amount in segments],
            axis=1,
        )

    interval = resampling.interval(statistic, n, sums.width)
    ends = zip(interval.value.tolist(), interval.low.tolist(), interval.high.tolist(), strict=True)
    missed, extra, things_missed, things_extra = (
        Score(value, low, high, len(rows) * (value == value), len(rows) * (value != value)) for value, low, high in ends
    )
    return missed, extra, things_missed, things_extra


UndecidedAs = Literal["void", "list"]


class UndecidedPixels(msgspec.Struct, frozen=True, kw_only=True):
    """Connected regions without a consensus, their pixels, and the pixels that any annotator labelled.

    `category`: the category of these regions in the dataset, `is_new` if no dataset had a void category; null: they
    are unlabelled there, and listed.
    """

    regions: Count
    pixels: Count
    of_pixels: Count
    category: str | None
    is_new: bool


class ConsensusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The consensus of annotators, written as a dataset.

    `images`, `segments`: of the new dataset. `drawn`: segments by all annotators. `rejected`: things that too few
    annotators drew, which are left out; `disputed`: things without a consensus, whose pixels are undecided. `alone`:
    images with fewer than two annotators, which have no consensus. `defects` counts by code the defects of files and
    the differences between the datasets. `tolerance`: of boundaries. `against_others`: each annotator against the
    consensus of the others, on request.
    """

    version: Literal[1] = 1
    target: Path
    method: MethodName
    min_support: float
    undecided: UndecidedAs
    annotators: tuple[str, ...]
    images: Count
    segments: Count
    drawn: Count
    rejected: Count
    disputed: Count
    without_consensus: UndecidedPixels
    alone: tuple[str, ...]
    defects: dict[str, Count]
    identical: tuple[IdenticalWork, ...] = ()
    tolerance: Tolerance = Tolerance()
    against_others: tuple[AgainstOthers, ...]


class Consensus(ConsensusReport, frozen=True, kw_only=True):
    """The consensus with details that the JSON report leaves out."""

    losses: tuple[Loss, ...] = ()  # the undecided regions as losses, as dataset.yaml has them
    defect_list: tuple[Defect, ...] = ()  # defects of files, and differences between the datasets
    n_errors: int = 0  # defects that `validate` calls errors: what they concern may be missing
    remarks: tuple[str, ...] = ()  # on images that could not be copied


UNDECIDED_NAME = "undecided"


@dataclass(frozen=True, slots=True)
class ConsensusTaxonomy:
    """The categories of a consensus."""

    taxonomy: Taxonomy  # with the ids that the first dataset has for its categories
    # (n,) the id of each category of the panel, of what lies outside regions of interest (-1: it is not written), and
    # where no dataset has a void category, of the new one
    ids: Ints
    void: Category | None  # the category that is void for want of consensus; None: there is to be none
    void_at: int | None  # its position in `ids`

    @property
    def is_new(self) -> bool:
        """Whether the void category is new, since no dataset has one."""
        return self.void is not None and self.void_at == len(self.taxonomy.categories)


def consensus_taxonomy(panel: Panel, *, paint: bool = True) -> ConsensusTaxonomy:
    """The taxonomy of the consensus, from the panel's categories; with `paint`, it has a void category."""
    reconciled = panel.taxonomies
    own: dict[int, int] = {}  # id in the panel -> in the consensus
    for codes in reconciled.codes:
        for id_, of_panel in codes.items():
            if of_panel not in own and id_ not in own.values():
                own[of_panel] = id_
    for category in reconciled.taxonomy.categories:
        own.setdefault(category.id, max([0, *own.values()]) + 1)
    categories = [msgspec.structs.replace(category, id=own[category.id]) for category in reconciled.taxonomy.categories]
    ids = [*(category.id for category in categories), -1]
    void_at = next((k for k, definition in enumerate(categories) if definition.kind == "void"), None) if paint else None
    void = None if void_at is None else categories[void_at]
    if paint and void is None:
        names = {category.name for category in categories}
        name = next(name for name in _free_names() if name not in names)
        void, void_at = Category(id=max([0, *own.values()]) + 1, name=name, kind="void"), len(ids)
        categories.append(void)
        ids.append(void.id)
    taxonomy = msgspec.structs.replace(
        panel.members[0].dataset.taxonomy, categories=tuple(categories), groups=reconciled.taxonomy.groups
    )
    return ConsensusTaxonomy(taxonomy, np.array(ids, np.int64), void, void_at)


def _free_names() -> Iterator[str]:
    """Yield names for a category of undecided pixels."""
    yield UNDECIDED_NAME
    yield from (f"{UNDECIDED_NAME} {k}" for k in count(2))


@dataclass(frozen=True, slots=True)
class ConsensusChunk:
    """The consensus on some images."""

    batch: Batch  # to be written
    names: tuple[str, ...]  # of its annotators
    alone: tuple[str, ...]  # images that fewer than two annotated, by image_id: there is no consensus
    labelled: int  # pixels that anybody labelled
    undecided: int  # those of them on which there is no consensus
    n_regions: int  # how many connected regions these are
    regions: tuple[UndecidedRegion, ...]  # the undecided regions, if they are to be listed
    n_drawn: int  # segments by all annotators
    n_rejected: int  # things that too few had
    n_disputed: int  # things in dispute
    defects: tuple[Defect, ...]  # of the files


def build_chunk(
    panel: Panel,
    rows: Ints,
    method: ConsensusMethod,
    target: ConsensusTaxonomy,
    overlap: Overlap,
    copies: CopiedAnnotations,
) -> ConsensusChunk:
    """Compute the consensus on the images at these rows, in this order; copies have no vote."""
    loaded, asked = panel.load_asked(rows)
    images = mark_outside(panel, loaded, asked)
    images = images.select(~copies.silent(images.batch))
    images = images.select(voters(images.batch))
    if target.is_new and target.void is not None:
        images = images.with_category(target.void.name)
    batch, names = images.batch, images.annotators
    consensus = reach_consensus(images, method, overlap=overlap, void=target.void_at)
    deep = [name in panel.volumes for name in loaded.images["sequence"].to_pylist()]
    done = consensus_annotations(batch, consensus, target.ids, instances=method.name == "instances", deep=deep)
    have = set(done.annotations["image"].to_pylist())
    ids = loaded.images["image_id"].to_pylist()
    void = [category.id for category in images.categories if category.kind == "void"]
    return ConsensusChunk(
        batch=Batch(loaded.images, done.annotations, done.segments, done.runs),
        names=tuple(names),
        alone=tuple(name for k, name in enumerate(ids) if k not in have),
        labelled=int(consensus.votes.pixels[(consensus.votes.vote >= 0).any(axis=1)].sum()),
        undecided=int((consensus.undecided.end - consensus.undecided.start).sum()),
        n_regions=int(number_regions(consensus).max(initial=-1)) + 1,
        regions=() if target.void is not None else tuple(undecided_regions(batch, consensus, names)),
        n_drawn=int((~np.isin(batch.segment_category, void)).sum()),
        n_rejected=consensus.n_rejected,
        n_disputed=consensus.n_disputed,
        defects=loaded.defects,
    )


def consensus_chunks(panel: Panel) -> list[Ints]:
    """Rows (n,) of a panel's images in ascending order of image_id, in portions that hold volumes whole."""
    ids = np.array(panel.image_ids, object)
    order = np.argsort(ids, kind="stable")
    n = max(len(panel.chunks()), 1)
    case = panel.case[order]
    last = np.zeros(int(case.max(initial=-1)) + 1, np.int64)
    last[case] = np.arange(len(case))
    closed = np.flatnonzero(np.maximum.accumulate(last[case]) == np.arange(len(case))) + 1  # where no case is open
    chunk_starts = np.linspace(0, len(order), min(n, max(len(order), 1)) + 1).astype(np.int64)[1:-1]
    cuts = closed[np.searchsorted(closed, chunk_starts).clip(max=len(closed) - 1)] if len(closed) else chunk_starts
    return [chunk for chunk in np.split(order, np.unique(cuts)) if len(chunk)]


def check_image_names(panel: Panel) -> None:
    """Raise SegdataError if two different pictures would get the same name."""
    names: set[str] = set()
    for name in panel.image_ids:
        if name in names:
            raise SegdataError(f"{name}: two different pictures have this name; rename one, or pair images by id")
        names.add(name)


@dataclass
class ConsensusWriter:
    """Computes and writes a consensus, and counts its images, segments and undecided pixels."""

    panel: Panel
    method: ConsensusMethod
    made: ConsensusTaxonomy
    undecided: UndecidedAs
    jobs: int
    progress: Callable[[int], None]
    copies: CopiedAnnotations = NO_COPIES
    names: set[str] = field(default_factory=set)
    alone: list[str] = field(default_factory=list)
    regions: list[UndecidedRegion] = field(default_factory=list)
    losses: LossCounter = field(default_factory=LossCounter)
    defects: list[Defect] = field(default_factory=list)
    n: dict[str, int] = field(default_factory=dict)

    def write(self, folder: Path, copy_images: bool) -> tuple[str, ...]:
        """Write the dataset; returns remarks on images that were not copied."""
        batches, copies = self._batches(), ImageCopies(folder / "images") if copy_images else None
        if copies is not None:
            batches = (copies.batch(batch) for batch in batches)
        profile, made = self._profile(), f"consensus of {self.panel.profile.name}, by {self.method.name}"
        write_canonical(profile, _with_provenance(batches, profile, self), folder, self.losses, made)
        return () if copies is None else copies.remarks

    def _batches(self) -> Iterator[Batch]:
        """Yield the consensus in ascending order of image_id; raises SegdataError if no image has two annotators."""
        overlap = self.panel.profile.overlap.value
        self.n = dict.fromkeys(
            ("images", "segments", "drawn", "rejected", "disputed", "regions", "undecided", "labelled"), 0
        )
        self.defects = list(self.panel.defects)
        for chunk in run_ordered(
            lambda rows: build_chunk(self.panel, rows, self.method, self.made, overlap, self.copies),
            consensus_chunks(self.panel),
            self.jobs,
        ):
            self._count(chunk)
            yield chunk.batch
            self.progress(chunk.batch.images.num_rows)
        if not self.names:
            check_sizes(self.panel, self.defects)
            raise SegdataError(
                f"{self.panel.profile.files}: no image was annotated by two; a consensus takes two annotators or more: "
                "give several datasets as NAME=DATA, or one in which annotations name their annotators"
            )
        self.losses.add("undecided", "things", self.n["rejected"] + self.n["disputed"])
        self.losses.add("undecided", "regions", self.n["regions"], self.n["undecided"])
        self.losses.add("undecided", "images", len(self.alone), examples=self.alone)

    def _count(self, chunk: ConsensusChunk) -> None:
        self.names |= set(chunk.names)
        self.alone += chunk.alone
        self.defects += chunk.defects
        self.regions += chunk.regions
        for name, more in (
            ("images", chunk.batch.images.num_rows),
            ("segments", chunk.batch.n_segments),
            ("drawn", chunk.n_drawn),
            ("rejected", chunk.n_rejected),
            ("disputed", chunk.n_disputed),
            ("regions", chunk.n_regions),
            ("undecided", chunk.undecided),
            ("labelled", chunk.labelled),
        ):
            self.n[name] += more

    def _profile(self) -> Profile:
        """The profile of the consensus, whose metadata are added once all images are written."""
        profile = self.panel.profile
        return replace(
            profile,
            format="consensus",
            files="",
            revision=None,
            task=profile.task if self.method.name == "instances" else "semantic",
            taxonomy=self.made.taxonomy,
            raster_rule="mask-native",
            metadata={},
            places={},
        )

    def provenance(self) -> str:
        """The annotators and the method of the consensus, as JSON."""
        origins = [
            {
                "name": member.display_name,
                "format": member.dataset.profile.format,
                "path": member.dataset.profile.files,
                "revision": member.dataset.profile.revision,
            }
            for member in self.panel.members
        ]
        record = {
            "annotators": sorted(self.names),
            "method": self.method.name,
            "min_support": self.method.least,
            "undecided": self.undecided,
            "of": origins,
        }
        return json.dumps(record, ensure_ascii=False)


def _with_provenance(batches: Iterator[Batch], profile: Profile, stream: ConsensusWriter) -> Iterator[Batch]:
    """Yield the batches, and add the provenance to the profile after the last one."""
    yield from batches
    profile.metadata["consensus"] = stream.provenance()
