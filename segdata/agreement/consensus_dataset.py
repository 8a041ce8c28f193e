"""Consensus dataset: the consensus on a panel's images, in chunks to be written, and the result for reports."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from segdata.agreement.comparison import mark_outside
from segdata.agreement.consensus import (
    ConsensusMethod,
    MethodName,
    UndecidedRegion,
    consensus_annotations,
    number_regions,
    reach_consensus,
    select_annotations,
    undecided_regions,
    voters,
)
from segdata.agreement.leave_one_out import AgainstOthers
from segdata.agreement.panel import Panel
from segdata.agreement.results import Count
from segdata.agreement.surface_distances import Tolerance
from segdata.core.batch import Batch
from segdata.core.config import Overlap
from segdata.core.finding import Defect
from segdata.core.format import Loss
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy

UndecidedAs = Literal["void", "list"]


class UndecidedPixels(msgspec.Struct, frozen=True, kw_only=True):
    """What annotators do not agree on: connected regions, their pixels, and the pixels that any annotator labelled.

    `category`: the category of these regions in the dataset, `is_new` where no dataset had a void category; null: they
    are unlabelled there, and listed.
    """

    regions: Count
    pixels: Count
    of_pixels: Count
    category: str | None
    is_new: bool


class ConsensusReport(msgspec.Struct, frozen=True, kw_only=True):
    """What annotators agree on, written as a dataset.

    `images`, `segments`: of the new dataset. `drawn`: segments by all annotators. `rejected`: things that too few of
    them drew, which are left out; `disputed`: things without a consensus, whose pixels are undecided. `alone`: images
    that fewer than two annotated, which have no consensus. `defects` counts by code what was found while reading, and
    what the datasets do not have in common. `tolerance`: of boundaries. `against_others`: each annotator against the
    consensus of the others, where asked for.
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
    tolerance: Tolerance = Tolerance()
    against_others: tuple[AgainstOthers, ...]


class Consensus(ConsensusReport, frozen=True, kw_only=True):
    """The same, with what the JSON report leaves out.

    Attributes
    ----------
    losses : the undecided regions as losses, as dataset.yaml has them
    defect_list : what was found while reading, and what the datasets do not have in common
    n_errors : defects that `validate` calls errors: what they concern may be missing
    remarks : what could not be copied
    """

    losses: tuple[Loss, ...] = ()
    defect_list: tuple[Defect, ...] = ()
    n_errors: int = 0
    remarks: tuple[str, ...] = ()


UNDECIDED_NAME = "undecided"


@dataclass(frozen=True, slots=True)
class ConsensusTaxonomy:
    """The categories of a consensus.

    Attributes
    ----------
    taxonomy : with the ids that the first dataset has for its categories
    ids : (n,) the id of each category of the panel, of what lies outside regions of interest (-1: it is not written),
        and where no dataset has a void category, of the new one
    void : the category that is void for want of consensus; None: there is to be none
    void_at : its position in `ids`
    """

    taxonomy: Taxonomy
    ids: Ints
    void: Category | None
    void_at: int | None

    @property
    def is_new(self) -> bool:
        """No dataset had a void category."""
        return self.void is not None and self.void_at == len(self.taxonomy.categories)


def consensus_taxonomy(panel: Panel, *, paint: bool = True) -> ConsensusTaxonomy:
    """The panel's categories as a dataset of their own has them; with `paint`, one of them is void."""
    reconciled = panel.taxonomies
    own: dict[int, int] = {}  # id in the panel -> in the consensus
    for codes in reconciled.codes:
        for id_, of_panel in codes.items():
            if of_panel not in own and id_ not in own.values():
                own[of_panel] = id_
    for each in reconciled.taxonomy.categories:
        own.setdefault(each.id, max([0, *own.values()]) + 1)
    categories = [msgspec.structs.replace(each, id=own[each.id]) for each in reconciled.taxonomy.categories]
    ids = [*(each.id for each in categories), -1]
    void_at = next((k for k, each in enumerate(categories) if each.kind == "void"), None) if paint else None
    void = None if void_at is None else categories[void_at]
    if paint and void is None:
        names = {each.name for each in categories}
        name = next(name for name in _free_names() if name not in names)
        void, void_at = Category(id=max([0, *own.values()]) + 1, name=name, kind="void"), len(ids)
        categories.append(void)
        ids.append(void.id)
    taxonomy = msgspec.structs.replace(
        panel.members[0].dataset.taxonomy,
        categories=tuple(categories),
        groups=reconciled.taxonomy.groups,
    )
    return ConsensusTaxonomy(taxonomy, np.array(ids, np.int64), void, void_at)


def _free_names() -> Iterator[str]:
    """Names for a category of what is undecided."""
    yield UNDECIDED_NAME
    yield from (f"{UNDECIDED_NAME} {k}" for k in count(2))


@dataclass(frozen=True, slots=True)
class ConsensusChunk:
    """The consensus on some images.

    Attributes
    ----------
    batch : to be written
    names : whose work it is made of
    alone : images that fewer than two annotated, by image_id: there is no consensus
    labelled, undecided : pixels that anybody labelled, and those of them on which there is no consensus
    n_regions : how many connected regions these are
    regions : what they are, where they are to be listed
    n_drawn, n_rejected, n_disputed : segments by all annotators, things that too few had, and things in dispute
    defects : what was met while reading
    """

    batch: Batch
    names: tuple[str, ...]
    alone: tuple[str, ...]
    labelled: int
    undecided: int
    n_regions: int
    regions: tuple[UndecidedRegion, ...]
    n_drawn: int
    n_rejected: int
    n_disputed: int
    defects: tuple[Defect, ...]


def build_chunk(
    panel: Panel, rows: Ints, method: ConsensusMethod, made: ConsensusTaxonomy, overlap: Overlap
) -> ConsensusChunk:
    """The consensus on the images at these rows, in this order."""
    loaded, asked = panel.loaded(rows)
    images = loaded.images
    batch, categories, asked = mark_outside(panel, loaded, asked)
    chosen = voters(batch)
    batch, asked = select_annotations(batch, chosen), asked[chosen]
    if made.is_new and made.void is not None:
        categories = (*categories, msgspec.structs.replace(made.void, id=max(each.id for each in categories) + 1))
        asked = np.append(asked, np.ones((len(asked), 1), bool), axis=1)
    volumes = frozenset(each.name for each in panel.profile.sequences if each.kind == "volume")
    names = sorted(set(batch.annotations["annotator"].to_pylist()))
    found = reach_consensus(
        batch,
        names,
        categories,
        method,
        asked=asked,
        volumes=volumes,
        overlap=overlap,
        void=made.void_at,
    )
    deep = [each in volumes for each in images["sequence"].to_pylist()]
    done = consensus_annotations(batch, found, made.ids, instances=method.name == "instances", deep=deep)
    have = set(done.annotations["image"].to_pylist())
    ids = images["image_id"].to_pylist()
    void = [each.id for each in categories if each.kind == "void"]
    return ConsensusChunk(
        batch=Batch(images, done.annotations, done.segments, done.runs),
        names=tuple(names),
        alone=tuple(name for k, name in enumerate(ids) if k not in have),
        labelled=int(found.votes.pixels[(found.votes.vote >= 0).any(axis=1)].sum()),
        undecided=int((found.undecided.end - found.undecided.start).sum()),
        n_regions=int(number_regions(found).max(initial=-1)) + 1,
        regions=() if made.void is not None else tuple(undecided_regions(batch, found, names)),
        n_drawn=int((~np.isin(batch.segments["category_id"].to_numpy(), void)).sum()),
        n_rejected=found.n_rejected,
        n_disputed=found.n_disputed,
        defects=loaded.defects,
    )


def consensus_chunks(panel: Panel) -> list[Ints]:
    """Rows of a panel's images in ascending order of image_id, in portions that hold volumes whole."""
    ids = np.array(panel.image_ids, object)
    order = np.argsort(ids, kind="stable")
    n = max(len(panel.chunks()), 1)
    case = panel.case[order]
    last = np.zeros(int(case.max(initial=-1)) + 1, np.int64)
    last[case] = np.arange(len(case))
    closed = np.flatnonzero(np.maximum.accumulate(last[case]) == np.arange(len(case))) + 1  # where no case is open
    wanted = np.linspace(0, len(order), min(n, max(len(order), 1)) + 1).astype(np.int64)[1:-1]
    cuts = closed[np.searchsorted(closed, wanted).clip(max=len(closed) - 1)] if len(closed) else wanted
    return [each for each in np.split(order, np.unique(cuts)) if len(each)]
