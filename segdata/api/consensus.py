"""Make one annotation of those of several annotators, as a dataset, and say how each of them stands to it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.agreement.consensus_dataset import Consensus, UndecidedAs, UndecidedPixels
from segdata.api.panel import PairOptions, PanelData, open_members, open_panel, read_options, resampling, size_message
from segdata.api.read import Progress, no_progress
from segdata.api.result import Result, json_table
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, check_choice
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.format import LossCounter
from segdata.core.rule_runner import reader_errors
from segdata.formats.shared.images import image_limits
from segdata.store.output import ImageCopies, StagedOutput

if TYPE_CHECKING:
    import pandas as pd

    from segdata.agreement.consensus import ConsensusMethod, UndecidedRegion
    from segdata.agreement.consensus_dataset import ConsensusChunk, ConsensusTaxonomy
    from segdata.agreement.panel import Panel
    from segdata.core.profile import Profile


_LISTS = ("undecided.csv", "undecided.json")


class ConsensusResult(Result, Consensus, frozen=True, kw_only=True):
    """The consensus that was written, what is undecided in it, and how each annotator compares with the others'."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata consensus --format json`` prints it."""
        from segdata.report.consensus import consensus_json

        return consensus_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each annotator as a pandas table: the scores against the consensus of the others."""
        return json_table(self.to_json(), "against_others")


def consensus(
    data: PanelData,
    target: str | Path,
    *,
    method: str = "auto",
    undecided: UndecidedAs = "void",
    min_support: float = 0.5,
    leave_one_out: bool = True,
    copy_images: bool = False,
    **options: Unpack[PairOptions],
) -> ConsensusResult:
    """Write what annotators agree on as a dataset: `segdata.Dataset.consensus`, for several datasets.

    `data` and `options` as for `segdata.agree`.
    """
    from segdata.agreement.consensus import ConsensusMethod
    from segdata.agreement.consensus_dataset import consensus_taxonomy
    from segdata.agreement.leave_one_out import leave_one_out as left_out

    check_choice("undecided", undecided, ("void", "list"))
    every = open_members(data, read_options(options, PairOptions))
    panel = open_panel(every, options.get("pair_by"), options.get("taxonomy_map"))
    jobs, progress = options.get("jobs", 0), options.get("progress", no_progress)
    _check_ids(panel)
    consensus_method = ConsensusMethod.of(method, panel.profile.task, min_support)
    target_taxonomy = consensus_taxonomy(panel, paint=undecided == "void")
    stream = _ConsensusWriter(panel, consensus_method, target_taxonomy, undecided, jobs, progress)
    config = panel.members[0].dataset.config
    with StagedOutput(Path(target)) as placing, image_limits():
        remarks = stream.write(placing.made, copy_images)
        placing.commit()
    with image_limits():
        passes = stream.names if leave_one_out else ()
        against = left_out(panel, passes, consensus_method, how=resampling(options), jobs=jobs, progress=progress)
    return ConsensusResult(
        target=Path(target),
        method=consensus_method.name,
        min_support=consensus_method.least,
        undecided=undecided,
        annotators=tuple(sorted(stream.names)),
        images=stream.n["images"],
        segments=stream.n["segments"],
        drawn=stream.n["drawn"],
        rejected=stream.n["rejected"],
        disputed=stream.n["disputed"],
        without_consensus=UndecidedPixels(
            regions=stream.n["regions"],
            pixels=stream.n["undecided"],
            of_pixels=stream.n["labelled"],
            category=None if target_taxonomy.void is None else target_taxonomy.void.name,
            is_new=target_taxonomy.is_new,
        ),
        alone=tuple(stream.alone),
        defects=dict(sorted(Counter(each.code for each in stream.defects).items())),
        against_others=against,
        losses=tuple(stream.losses.listed()),
        defect_list=tuple(stream.defects),
        n_errors=len(reader_errors(stream.defects, config)),
        remarks=remarks,
    )


def _check_ids(panel: "Panel") -> None:
    """Raise SegdataError where two pictures would be called alike."""
    seen: set[str] = set()
    for name in panel.image_ids:
        if name in seen:
            raise SegdataError(f"{name}: two different pictures have this name; rename one, or pair images by id")
        seen.add(name)


@dataclass
class _ConsensusWriter:
    """The consensus on its way to the disk, counted."""

    panel: "Panel"
    method: "ConsensusMethod"
    made: "ConsensusTaxonomy"
    undecided: UndecidedAs
    jobs: int
    progress: Progress
    names: set[str] = field(default_factory=set)
    alone: list[str] = field(default_factory=list)
    regions: "list[UndecidedRegion]" = field(default_factory=list)
    losses: LossCounter = field(default_factory=LossCounter)
    defects: list[Defect] = field(default_factory=list)
    n: dict[str, int] = field(default_factory=dict)

    def write(self, folder: Path, copy_images: bool) -> tuple[str, ...]:
        """Write the dataset, and the list where one is wanted; returns what was not copied."""
        from segdata.report.consensus import undecided_csv, undecided_json
        from segdata.store.revision_writer import write_canonical

        batches, copies = self._batches(), ImageCopies(folder / "images") if copy_images else None
        if copies is not None:
            batches = (copies.batch(batch) for batch in batches)
        profile = self._profile()
        write_canonical(profile, _with_provenance(batches, profile, self), folder, self.losses, self._made())
        if self.undecided == "list":
            texts = undecided_csv(self.regions, sorted(self.names)), undecided_json(self.regions)
            for name, text in zip(_LISTS, texts, strict=True):
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
        return () if copies is None else copies.remarks

    def _batches(self) -> Iterator[Batch]:
        """The consensus, images in ascending order of image_id; raises SegdataError where there is nobody to agree."""
        from segdata.agreement.consensus_dataset import build_chunk, consensus_chunks
        from segdata.agreement.panel import SIZES_CODE

        overlap = self.panel.profile.overlap.value
        self.n = dict.fromkeys(
            ("images", "segments", "drawn", "rejected", "disputed", "regions", "undecided", "labelled"), 0
        )
        self.defects = list(self.panel.defects)
        for chunk in run_ordered(
            lambda rows: build_chunk(self.panel, rows, self.method, self.made, overlap),
            consensus_chunks(self.panel),
            self.jobs,
        ):
            self._count(chunk)
            yield chunk.batch
            self.progress(chunk.batch.images.num_rows)
        if not self.names:
            sizes = [defect for defect in self.defects if defect.code == SIZES_CODE]
            if sizes:
                raise SegdataError(size_message(self.panel, sizes[0]))
            files = self.panel.profile.files
            raise SegdataError(
                f"{files}: no image was annotated by two; a consensus takes two annotators or more: give several "
                "datasets as NAME=DATA, or one in which annotations name their annotators"
            )
        self.losses.add("undecided", "things", self.n["rejected"] + self.n["disputed"])
        self.losses.add("undecided", "regions", self.n["regions"], self.n["undecided"])
        self.losses.add("undecided", "images", len(self.alone), examples=self.alone)

    def _count(self, found: "ConsensusChunk") -> None:
        self.names |= set(found.names)
        self.alone += found.alone
        self.defects += found.defects
        self.regions += found.regions
        for name, more in (
            ("images", found.batch.images.num_rows),
            ("segments", found.batch.n_segments),
            ("drawn", found.n_drawn),
            ("rejected", found.n_rejected),
            ("disputed", found.n_disputed),
            ("regions", found.n_regions),
            ("undecided", found.undecided),
            ("labelled", found.labelled),
        ):
            self.n[name] += more

    def _profile(self) -> "Profile":
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

    def _made(self) -> str:
        """How it came about, in a few words."""
        return f"consensus of {self.panel.profile.name}, by {self.method.name}"

    def provenance(self) -> str:
        """Whose work it is and how it was made, as JSON."""
        origins = [
            {
                "name": member.called,
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


def _with_provenance(batches: Iterator[Batch], profile: "Profile", stream: _ConsensusWriter) -> Iterator[Batch]:
    """The batches; after the last one dataset.yaml can say whose work they are."""
    yield from batches
    profile.metadata["consensus"] = stream.provenance()
