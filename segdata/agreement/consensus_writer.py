"""Consensus writer: the consensus of a panel written as a canonical dataset, counted on the way."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from segdata.agreement.consensus import ConsensusMethod, UndecidedRegion
from segdata.agreement.consensus_dataset import (
    ConsensusChunk,
    ConsensusTaxonomy,
    UndecidedAs,
    build_chunk,
    consensus_chunks,
)
from segdata.agreement.copied_annotations import NO_COPIES, CopiedAnnotations
from segdata.agreement.panel import Panel, check_sizes
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.format import LossCounter
from segdata.core.profile import Profile
from segdata.store.output import ImageCopies
from segdata.store.revision_writer import write_canonical


def check_image_names(panel: Panel) -> None:
    """Raise SegdataError where two pictures would be called alike."""
    seen: set[str] = set()
    for name in panel.image_ids:
        if name in seen:
            raise SegdataError(f"{name}: two different pictures have this name; rename one, or pair images by id")
        seen.add(name)


@dataclass
class ConsensusWriter:
    """The consensus on its way to the disk, counted."""

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
        """Write the dataset; returns what was not copied."""
        batches, copies = self._batches(), ImageCopies(folder / "images") if copy_images else None
        if copies is not None:
            batches = (copies.batch(batch) for batch in batches)
        profile, made = self._profile(), f"consensus of {self.panel.profile.name}, by {self.method.name}"
        write_canonical(profile, _with_provenance(batches, profile, self), folder, self.losses, made)
        return () if copies is None else copies.remarks

    def _batches(self) -> Iterator[Batch]:
        """The consensus, images in ascending order of image_id; raises SegdataError where there is nobody to agree."""
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
        """What is known of the consensus; its metadata are told when all is written."""
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
        """Whose work it is and how it was made, as JSON."""
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
    """The batches; after the last one dataset.yaml can say whose work they are."""
    yield from batches
    profile.metadata["consensus"] = stream.provenance()
