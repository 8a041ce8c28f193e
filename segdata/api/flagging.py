"""Flag: rank the labels of a dataset by how probably they are wrong, with what is proposed instead."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.checking import undecided
from segdata.api.opening import Data, ReadOptions, read
from segdata.core.dataset import Dataset
from segdata.core.finding import Finding
from segdata.core.judge import judge, selected
from segdata.core.validation import Validation
from segdata.formats.shared.images import image_limits
from segdata.measure.measure import measure

if TYPE_CHECKING:
    from segdata.api.witnesses import Seen
    from segdata.core.decision import Decision
    from segdata.core.rule import Rule, Tables
    from segdata.noise.flagged import Flagged
    from segdata.noise.mistakes.evaluation import Quality
    from segdata.noise.networks.plan import Plan
    from segdata.noise.networks.settings import Settings
    from segdata.noise.networks.stage import Stage
    from segdata.noise.opinion import Opinion
    from segdata.noise.witness import Witness


def flag(
    data: Data,
    *,
    settings: "Settings | None" = None,
    predictions: "str | Path | Dataset | Witness | None" = None,
    work: str | Path | None = None,
    budget: str | None = None,
    truth: str | Path | Dataset | None = None,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    review: bool = True,
    planned: "Callable[[Plan], None]" = lambda plan: None,
    progress: "Callable[[Stage], None]" = lambda stage: None,
    **opening: Unpack[ReadOptions],
) -> "Flagged":
    """Which labels to look at again, and what is probably wrong with each.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`, with its image files unless there are `predictions`
    settings : of the training, see `segdata.noise.networks.settings.Settings`
    predictions : what a model that has not seen the labels says, instead of training one: a folder that `flag` wrote;
        or files of any format, see `segdata.noise.imported`; or any `segdata.noise.witness.Witness`
    work : a folder for networks and predictions, in which a run that was killed goes on; default: one for these images,
        labels and settings in the user's cache directory
    budget : how much a reviewer looks at: ``200``, ``5%``, ``30min``, ``40 images``; default: what is above the
        thresholds, at most 5 % of the segments
    truth : known errors, against which the result is held: clean labels of the same images, or the errors that
        `segdata.testing.noise` made, as JSON
    select, ignore, review : as for `validate`
    planned : is called with the plan, before anything is trained
    progress : is called with how far each stage is
    opening : format, taxonomy, images, config, only, roi: as for `read`

    Raises SegdataError as `read` and `segdata.noise.networks.out_of_fold` do, and where predictions do not fit.
    """
    from segdata.api.known import known, ranked
    from segdata.api.witnesses import Labels
    from segdata.noise.mistakes.evaluation import qualities
    from segdata.noise.networks.settings import Settings
    from segdata.noise.opinion import opinion
    from segdata.noise.reviewing.budget import Budget

    asked = settings or Settings()
    spend = None if budget is None else Budget.parsed(budget)
    dataset = read(data, **opening)
    chosen = selected(dataset.config, select, ignore, command="flag") + _of_images(select, dataset, ignore)
    with image_limits():
        errors = None if truth is None else known(truth)
        tables = measure(dataset.source, frozenset(), chunks=dataset.chunks(), profile=dataset.profile, jobs=asked.jobs)
        labels = Labels(dataset, tables, dataset.maps(asked.annotator), asked)
        decisions = _decisions(dataset) if review else []
        seen = labels.trained(work, planned, progress) if predictions is None else labels.told(predictions)
        thought = opinion(
            seen.case,
            spend,
            group=asked.group,
            seed=asked.seed,
            jobs=asked.jobs,
            memory=asked.max_memory,
            decisions=decisions,
            progress=progress,
        )
        against, note = (None, ()) if errors is None else ranked(thought.found, seen.case, errors)
        quality = [] if against is None else qualities(against, asked.seed)
    told = _Told(dataset, tables, replace(seen, notes=(*seen.notes, *note)), thought, decisions)
    return told.flagged(told.validation(chosen, asked.jobs, review), quality)


@dataclass(frozen=True)
class _Told:
    """What is told of the labels, once they were looked at."""

    dataset: Dataset
    tables: "Tables"
    seen: "Seen"
    thought: "Opinion"
    decisions: "Sequence[Decision]"

    def validation(self, chosen: "Sequence[Rule]", jobs: int, review: bool) -> Validation:
        """The findings, the most probable errors first; images that could not be looked at before all."""
        tables = replace(self.tables, suspected=self.thought.suspected, defects=self.seen.defects)
        found = judge(tables, [*chosen], self.dataset.config, jobs=jobs)
        kept, settled = undecided(self.dataset, found.findings, jobs) if review else (found.findings, ())
        findings = tuple(sorted(kept, key=lambda each: (self._rank(each), each.order())))
        files = {each.image for each in findings}
        images = {
            name: uri for name, uri in tables.images.lines("image_id", "uri") if name in files and uri is not None
        }
        return Validation(
            self.dataset.profile.files,
            len(tables.images),
            len(tables.segments),
            findings,
            found.suppressed,
            (),
            images,
            settled=(*self._settled({each.code for each in chosen}), *settled),
        )

    def _settled(self, codes: set[str]) -> list[Finding]:
        """The suspected labels that reviewers have decided, and that are not looked at again."""
        from segdata.noise.types import CODES

        ours = codes & set(CODES.values())
        return [each.finding for each in self.decisions if each.finding is not None and each.finding.code in ours]

    @cached_property
    def _ranks(self) -> dict[int, int]:
        return {id(each): at for at, each in enumerate(self.thought.suspected.corrections)}

    def _rank(self, finding: Finding) -> int:
        """The place of a finding among the suspects; what could not be looked at comes before all."""
        return self._ranks.get(id(finding.correction), -1)

    def _sampled(self, place: dict[int, int]) -> tuple[int, ...]:
        """Of each label of the sample which of the findings it is, by their places; -1: none."""
        choice = self.thought.choice
        rows = () if choice.sample is None or choice.images is not None else choice.sample.rows.tolist()
        return tuple(place.get(row, -1) for row in rows)

    def flagged(self, validation: Validation, quality: "Sequence[Quality]") -> "Flagged":
        """Everything together."""
        from segdata.noise.flagged import Flagged, looks_of, misaligned_images, scores_of
        from segdata.noise.reviewing.estimates import expected

        thought, case, images = self.thought, self.seen.case, self.thought.choice.images
        ranks = [self._rank(each) for each in validation.findings]
        place = {int(thought.choice.rows[rank]): at for at, rank in enumerate(ranks) if rank >= 0}
        odds = thought.found.odds[[*place]]
        return Flagged(
            validation,
            self.seen.where,
            self.seen.plan,
            (*self.seen.notes, *misaligned_images(case, thought.found)),
            tuple(case.names),
            tuple(thought.trust),
            thought.threshold,
            looks_of(case, thought.found),
            scores_of(case, thought.found),
            int((thought.found.row >= 0).sum()),
            thought.choice.left_out,
            expected(thought.calibration.draws(odds)),
            thought.choice.sample,
            None if images is None else tuple(case.given.maps.image_ids[case.images[row]] for row in images.tolist()),
            self._sampled(place),
            thought.choice.n_labels if images is None else None,
            tuple(case.given.maps.image_ids[row] for row in thought.next_images.tolist()),
            tuple(quality),
        )


def _of_images(select: str | Iterable[str], dataset: Dataset, ignore: str | Iterable[str]) -> "list[Rule]":
    """The rules that pass on which images could not be looked at."""
    return [] if select else selected(dataset.config, ["SEG001", "SEG002", "SEG003"], ignore)


def _decisions(dataset: Dataset) -> "list[Decision]":
    """What reviewers have decided of the labels as they are."""
    from segdata.api.holding import holding
    from segdata.review import log

    path = log.place(dataset.profile.files)
    return holding(dataset, log.read(path)) if path.is_file() else []
