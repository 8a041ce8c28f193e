"""Consensus: one annotation of those of several annotators, as a dataset, and how each annotator compares with it."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.agreement.consensus_dataset import Consensus, UndecidedAs, UndecidedPixels
from segdata.api.panel import (
    PairOptions,
    PanelData,
    join_panels,
    open_members,
    open_panel,
    read_options,
    resampling,
)
from segdata.api.read import no_progress
from segdata.api.result import Result, json_table
from segdata.core.errors import check_choice
from segdata.core.rule_runner import reader_errors
from segdata.formats.shared.images import image_limits
from segdata.store.output import StagedOutput

if TYPE_CHECKING:
    import pandas as pd


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
    others: PanelData = (),
    *,
    name: str | None = None,
    method: str = "auto",
    undecided: UndecidedAs = "void",
    min_support: float = 0.5,
    leave_one_out: bool = True,
    copy_images: bool = False,
    **options: Unpack[PairOptions],
) -> ConsensusResult:
    """Write what annotators agree on as a canonical dataset, with one annotation per image by ``consensus``.

    Parameters
    ----------
    target, copy_images, jobs, progress : see `Dataset`
    data, others, name : as for `agreement`
    method : ``majority`` votes on each pixel; ``staple`` weighs annotators by how well they see each category;
        ``instances`` votes on things one by one, and on all other pixels by majority; ``auto``: ``instances`` for
        data with instances, ``majority`` for semantic data
    undecided : what becomes of regions without a consensus: ``void``, or a ``list`` (``undecided.csv`` and
        ``undecided.json`` beside the tables), which leaves them unlabelled
    min_support : the share of annotators (STAPLE: the probability) that a decision must exceed, from 0.5 to 1
    leave_one_out : also compare each annotator with the consensus of the others; one pass for each
    pair_by, taxonomy_map, confidence, resamples, seed : as for `agreement`

    Each segment has the share of annotators behind it as its `score`. dataset.yaml records the annotators and the
    method. Raises SegdataError as `agreement` does.
    """
    from segdata.agreement.consensus import ConsensusMethod
    from segdata.agreement.consensus_dataset import consensus_taxonomy
    from segdata.agreement.consensus_dataset import leave_one_out as left_out
    from segdata.agreement.consensus_writer import ConsensusWriter, check_image_names
    from segdata.agreement.copied_annotations import find_copied_annotations
    from segdata.report.consensus import undecided_csv, undecided_json

    check_choice("undecided", undecided, ("void", "list"))
    every = open_members(join_panels(data, others, name), read_options(options, PairOptions))
    panel = open_panel(every, options.get("pair_by"), options.get("taxonomy_map"))
    jobs, progress = options.get("jobs", 0), options.get("progress", no_progress)
    check_image_names(panel)
    consensus_method = ConsensusMethod.of(method, panel.profile.task, min_support)
    target_taxonomy = consensus_taxonomy(panel, paint=undecided == "void")
    with image_limits():
        copies = find_copied_annotations(panel, resampling(options), jobs)
    stream = ConsensusWriter(panel, consensus_method, target_taxonomy, undecided, jobs, progress, copies)
    config = panel.members[0].dataset.config
    with StagedOutput(Path(target)) as placing, image_limits():
        remarks = stream.write(placing.made, copy_images)
        if undecided == "list":
            texts = undecided_csv(stream.regions, sorted(stream.names)), undecided_json(stream.regions)
            for file, text in zip(("undecided.csv", "undecided.json"), texts, strict=True):
                (placing.made / file).write_text(text, encoding="utf-8", newline="\n")
        placing.commit()
    with image_limits():
        passes = stream.names if leave_one_out else ()
        against = left_out(
            panel, passes, consensus_method, how=resampling(options), copies=copies, jobs=jobs, progress=progress
        )
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
        defects=dict(sorted(Counter(defect.code for defect in stream.defects).items())),
        identical=copies.identical,
        against_others=against,
        losses=tuple(stream.losses.listed()),
        defect_list=tuple(stream.defects),
        n_errors=len(reader_errors(stream.defects, config)),
        remarks=remarks,
    )
