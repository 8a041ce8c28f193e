"""Flag: rank the labels of a dataset by how probably they are wrong, with a proposed correction for each."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, promote
from segdata.api.validate import findings_page, split_decided
from segdata.core.cluster import Cluster, ImageCluster, connect
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, UnreadableError, import_extra
from segdata.core.executor import no_progress
from segdata.core.finding import Box, Decision, Defect, Finding
from segdata.core.format import detect
from segdata.core.label_maps import LabelMaps
from segdata.core.paths import decision_log_path
from segdata.core.rule import Rule, Tables, rules
from segdata.core.rule_runner import run_rules, select_rules
from segdata.core.runs import Flags
from segdata.core.safe_text import shell_word
from segdata.core.validation import Validation
from segdata.dataset import Dataset
from segdata.formats.npz.reader import probabilities_of
from segdata.formats.shared.images import image_limits
from segdata.measure.measure import measure_source
from segdata.measure.source_cache import cache_folder
from segdata.noise.budget import Budget, expected_errors
from segdata.noise.error_types import CODES, UNUSUAL_CODE, Corruptions
from segdata.noise.evaluation import DetectionQuality, EvaluatedRanking, Interval, detection_qualities
from segdata.noise.flag_result import (
    FlagResult,
    SampledReview,
    candidate_table,
    common_causes,
    image_table,
    misalignment_notes,
    ranked_images,
)
from segdata.noise.known_errors import KnownError, compare_labels, errors_of_list, match_known_errors, read_known_errors
from segdata.noise.networks.plan import Settings, StageProgress, TrainingPlan, configured_settings
from segdata.noise.networks.predictions import open_predictions
from segdata.noise.predictor import FilePredictor, NetworkPredictor, Predictor, file_predictor, match_image_names
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import GivenLabels
from segdata.noise.selection import LabelCheck, SegmentRows
from segdata.noise.trust import RelatedImages, unknown_image_notes

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client

    from segdata.noise.pipeline import FlagOutcome


@dataclass(frozen=True)
class JudgedLabels:
    """The labels to judge and the predictor; `where` is the place of the predictions."""

    case: LabelCheck
    where: str
    plan: "TrainingPlan | None" = None
    notes: tuple[str, ...] = ()
    defects: tuple[Defect, ...] = ()


def countable_categories(dataset: OpenDataset) -> frozenset[int]:
    """The ids of categories whose segments are told apart."""
    if dataset.profile.task == "semantic":
        return frozenset()
    return frozenset(dataset.taxonomy.thing_ids)


def open_predictor(
    dataset: OpenDataset, maps: LabelMaps, countable: frozenset[int], predictions: str | Path | OpenDataset
) -> tuple[FilePredictor, Dataset]:
    """The predictor of files in any format for the images of a dataset, and the files as a dataset.

    COCO results name images and categories by the ids of the labels' file. Raises SegdataError where they do not fit.
    """
    if isinstance(predictions, OpenDataset):
        opened = read(predictions)
    else:
        try:
            opened = read(predictions, options=_truth_option(Path(dataset.profile.files), Path(predictions)))
        except UnreadableError as error:
            raise SegdataError(f"{error} (from --predictions)") from error
    return file_predictor(opened, probabilities_of, maps, countable), opened


def _truth_option(labels: Path, predictions: Path) -> dict[str, str] | None:
    if not (labels.is_file() and labels.suffix == ".json" and predictions.exists()):
        return None
    return {"truth": str(labels)} if detect(predictions) == "coco-results" else None


@dataclass(frozen=True)
class FlagInput:
    """The labels that are to be judged."""

    dataset: Dataset
    tables: "Tables"
    maps: "LabelMaps"
    settings: "Settings"
    on: "ImageCluster | None" = None  # whose workers predict

    @property
    def countable(self) -> frozenset[int]:
        """The ids of categories whose segments are told apart."""
        return countable_categories(self.dataset)

    @cached_property
    def related(self) -> RelatedImages:
        """The groups of related images; decodes every image unless the settings declare them different."""
        return RelatedImages.from_tables(self.tables, self.settings.group, self.settings.near, self.settings.jobs)

    def train(
        self,
        work: str | Path | None,
        planned: Callable[[TrainingPlan], None],
        progress: Callable[[StageProgress], None],
    ) -> JudgedLabels:
        """Judge by networks that are trained on the other images; `work` as `work_dir` of `flag`."""
        import_extra("torch", "torch", "PyTorch")  # first, since nothing else here reports missing packages
        from segdata.noise.networks.out_of_fold import out_of_fold

        predictions = out_of_fold(
            self.dataset,
            (lambda key: cache_folder() / "flag" / key) if work is None else work,
            self.settings,
            tables=self.tables,
            maps=self.maps,
            related=self.related,
            on=self.on,
            planned=planned,
            progress=progress,
        )
        case = self.case(
            NetworkPredictor(predictions, self.countable), f"{self.dataset.profile.files}: no image can be judged"
        )
        return JudgedLabels(case, str(predictions.folder), predictions.plan, predictions.notes, predictions.defects)

    def use_predictions(self, predictions: str | Path | OpenDataset | Predictor) -> JudgedLabels:
        """Judge by existing predictions."""
        if not isinstance(predictions, (str, Path, OpenDataset)):
            return JudgedLabels(self.case(predictions, "no image has predictions"), "given")
        if not isinstance(predictions, OpenDataset):
            folder = Path(predictions)
            if (folder / "predictions.json").is_file():
                return self._reopen(folder)
            if (folder / "key").is_file() and (folder / "plan.json").is_file():
                again = f"segdata flag {shell_word(self.dataset.profile.files)} --work-dir {shell_word(str(folder))}"
                raise SegdataError(f"{folder}: holds a run that has not ended; go on with it: {again}")
        predictor, opened = open_predictor(self.dataset, self.maps, self.countable, predictions)
        where = opened.profile.files
        ids = f"{self.maps.image_ids[0]!r} here, {opened.image_ids[0]!r} there" if len(opened) else "it has none"
        return JudgedLabels(
            self.case(predictor, f"{where}: has no image of these labels ({ids})"), where, notes=predictor.notes
        )

    def _reopen(self, path: Path) -> JudgedLabels:
        """Open earlier predictions for the same images."""
        opened = open_predictions(path)
        if list(opened.image_ids) != list(self.maps.image_ids):
            raise SegdataError(f"{path}: holds predictions of other images; leave out --predictions to make new ones")
        case = self.case(NetworkPredictor(opened, self.countable), f"{path}: no image can be judged")
        return JudgedLabels(case, str(path), opened.plan, opened.notes, opened.defects)

    def case(self, predictor: Predictor, none: str) -> LabelCheck:
        """The labels that this predictor can judge; raises SegdataError with the message `none` if there are none."""
        rows = SegmentRows.from_tables(self.tables, self.settings.annotator)
        images = np.flatnonzero(predictor.usable & (rows.annotation >= 0))
        if not len(images):
            raise SegdataError(none)
        labels = (
            GivenLabels.agnostic(self.maps, self.countable)
            if predictor.agnostic
            else GivenLabels.from_maps(self.maps, predictor.categories)
        )
        return LabelCheck(labels, predictor, self._names(predictor), self.tables, rows, images)

    def _names(self, predictor: Predictor) -> Sequence[str]:
        name_of, countable = self.dataset.profile.name_of, sorted(self.countable)
        if predictor.agnostic:
            return ["", name_of(countable[0]) if len(countable) == 1 else "object"]
        return ["", *map(name_of, predictor.categories)]


KnownTruth = list[KnownError] | LabelMaps


def read_truth(truth: str | Path | OpenDataset) -> KnownTruth:
    """Read the truth: a list of errors (a JSON file that begins with a list), or clean labels.

    Raises SegdataError where it is neither.
    """
    if isinstance(truth, OpenDataset):
        return truth.maps()
    path = Path(truth)
    if path.is_file() and path.suffix == ".json" and _is_list(path):
        return read_known_errors(path)
    try:
        return read(path).maps()
    except UnreadableError as error:
        raise SegdataError(f"{error} (the truth must be a dataset of clean labels, or a list of errors)") from error


def _is_list(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return head.lstrip().startswith(b"[") and (b'"clean_counts"' in head or not head.split(b"[", 1)[1].strip(b" ]\n"))


def rank_errors(
    candidates: RankedCandidates, case: LabelCheck, truth: KnownTruth
) -> tuple[EvaluatedRanking, tuple[str, ...]]:
    """Match candidates with the known errors, and return remarks on the comparison.

    Leaves out images without clean labels, whose errors are unknown. Raises SegdataError if the truth is about other
    images.
    """
    has_truth = np.ones(len(case.images), bool)
    if isinstance(truth, list):
        errors = _listed_errors(case, truth)
    else:
        errors, has_truth = _clean_label_errors(case, truth)
    ranked = match_known_errors(
        errors, candidates, lambda row: case.given.image_segments(int(case.images[row])), case.predictor.things
    )
    return _restrict_images(ranked, has_truth), _left_out_note(has_truth)


def _restrict_images(ranking: EvaluatedRanking, known: Flags) -> EvaluatedRanking:
    """The ranking restricted to some images, which must contain all known errors."""
    number, kept = np.cumsum(known) - 1, known[ranking.image]
    return replace(
        ranking,
        score=ranking.score[kept],
        image=number[ranking.image[kept]],
        mistake=ranking.mistake[kept],
        mistake_image=number[ranking.mistake_image],
        n_images=int(known.sum()),
    )


def _left_out_note(known: Flags) -> tuple[str, ...]:
    n = int((~known).sum())
    lacking = "has no clean labels: it is" if n == 1 else "have no clean labels: they are"
    return (f"{n:,} of {len(known):,} images {lacking} left out of the evaluation",) if n else ()


def _listed_errors(case: LabelCheck, truth: list[KnownError]) -> list[Corruptions]:
    names = [case.given.maps.image_ids[row] for row in case.images.tolist()]
    by_image: dict[str, list[KnownError]] = {}
    for error in truth:
        by_image.setdefault(error.image, []).append(error)
    if truth and not set(by_image) & set(names):
        raise SegdataError(f"the known errors are in other images: {truth[0].image!r} there, {names[0]!r} here")
    return [
        errors_of_list(by_image.get(name, []), case.given.image_segments(row))
        for name, row in zip(names, case.images.tolist(), strict=True)
    ]


def _clean_label_errors(case: LabelCheck, truth: LabelMaps) -> tuple[list[Corruptions], Flags]:
    """The errors of each judged image, and whether it has clean labels."""
    maps = case.given.maps
    row_of = match_image_names(maps.image_ids, truth.image_ids)
    has_truth = row_of[case.images] >= 0
    if not has_truth.any():
        raise SegdataError(f"the clean labels are of other images: {truth.image_ids[:1]} there")
    id_of = {name.casefold(): id_ for name, id_ in zip(maps.names, maps.classes, strict=True)}
    channel = dict(zip(maps.classes, case.given.channel.tolist(), strict=True))
    clean = GivenLabels(
        truth, np.array([channel.get(id_of.get(name.casefold(), -1), -1) for name in truth.names], np.int64)
    )
    errors = []
    for row in case.images.tolist():
        labels, clean_row = case.given.image_segments(row), int(row_of[row])
        other = labels if clean_row < 0 else clean.image_segments(clean_row)
        if (other.height, other.width) != (labels.height, labels.width):
            raise SegdataError(
                f"{maps.image_ids[row]}: the clean labels are {other.width}x{other.height} px, the given ones "
                f"{labels.width}x{labels.height} px"
            )
        errors.append(compare_labels(labels, other, case.predictor.things))
    return errors, has_truth


class FlaggedLabels(Result, FlagResult, frozen=True, kw_only=True, eq=False):
    """Labels that are probably wrong, the most probable first, and the quality of the ranking."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, the most probable errors first; each has a `score` and a proposed correction."""
        return self.validation.findings

    def to_json(self, max_findings: int | None = None) -> str:
        """The result as JSON, as ``segdata flag --format json`` prints it; `max_findings`: the worst only."""
        from segdata.report.flag import flag_json

        return flag_json(self, max_findings)

    def to_html(self, *, pictures: int = 200, jobs: int = 0) -> str:
        """One HTML file with the findings, and with pictures of the worst, `pictures` at most."""
        from segdata.report.findings import ReportContext
        from segdata.report.flag import flag_statements

        ran = [rule for code, rule in rules().items() if rule.command == "flag" or code in self.validation.by_code]
        dataset: OpenDataset = self._context["dataset"]
        context = ReportContext(dataset.profile, ran, [shell_word(dataset.profile.files)], command="flag")
        statements = flag_statements(self)
        return findings_page(dataset, self.validation, context, pictures=pictures, statements=statements, jobs=jobs)

    def table(self) -> "pd.DataFrame":
        """The findings as a pandas table, one row each, a column for every field."""
        return self.validation.table()


def flag(
    data: Data,
    *,
    settings: Settings | None = None,
    predictions: str | Path | OpenDataset | Predictor | None = None,
    work_dir: str | Path | None = None,
    budget: str | None = None,
    truth: str | Path | OpenDataset | None = None,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    include_reviewed: bool = False,
    client: "Client | str | None" = None,
    planned: Callable[[TrainingPlan], None] = no_progress,
    progress: Callable[[StageProgress], None] = no_progress,
    **opening: Unpack[ReadOptions],
) -> FlaggedLabels:
    """Rank the labels by how probably they are wrong, and propose a correction for each.

    Parameters
    ----------
    settings : of the training; `segdata.Settings`; default: those of segdata.yaml
    predictions : a model's results to use instead of training networks: a folder that `flag` wrote, files of any
        format, or an object with the methods of a predictor. The model must not have seen these labels
    work_dir : a folder for networks and predictions, in which a stopped run goes on; default: a folder in the user's
        cache directory
    budget : how much a reviewer can look at: ``200``, ``5%``, ``30min`` or ``40 images``; default: all labels
        above the thresholds, 5 % of the segments at most
    truth : known errors to evaluate against: clean labels of the same images, or a list of errors (JSON)
    select, ignore, include_reviewed : as for `validate`
    client : measure, predict and score on a Dask cluster: a `distributed.Client`, or the address of its scheduler.
        Networks are trained here; workers read them, and write predictions, in `work_dir`. The result is the same
    planned : called with the plan before training begins
    progress : called with the state of each stage

    The dataset needs its image files unless you pass `predictions`. `flag` reports nothing for categories that
    the model cannot predict reliably. Raises SegdataError where PyTorch is missing or predictions do not fit.
    """
    from segdata.noise.pipeline import find_label_errors

    spend = None if budget is None else Budget.parse(budget)
    dataset = read(data, **opening)
    chosen_settings = settings or configured_settings(dataset.config.training, {})
    rules = select_rules(dataset.config, select, ignore, command="flag") + (
        [] if select else select_rules(dataset.config, ["SEG001", "SEG002", "SEG003", "SEG021"], ignore)
    )
    with image_limits(), nullcontext() if client is None else connect(client) as cluster:
        errors = None if truth is None else read_truth(truth)
        labels = _flag_input(dataset, chosen_settings, cluster)
        tables = labels.tables
        decisions = [] if include_reviewed else _read_decisions(dataset)
        predictor = (
            labels.train(work_dir, planned, progress) if predictions is None else labels.use_predictions(predictions)
        )
        thought = find_label_errors(
            predictor.case,
            spend,
            related=labels.related,
            seed=chosen_settings.seed,
            jobs=chosen_settings.jobs,
            memory=chosen_settings.max_memory,
            decisions=decisions,
            on=labels.on,
            progress=progress,
        )
        graded, note = (None, ()) if errors is None else rank_errors(thought.ranked, predictor.case, errors)
        quality = [] if graded is None else detection_qualities(graded, chosen_settings.seed)
        run = _FlagRun(dataset, tables, replace(predictor, notes=(*predictor.notes, *note)), thought, decisions)
        result = run.result(run.validation(rules, chosen_settings.jobs, include_reviewed), quality)
    return promote(FlaggedLabels, result, dataset=dataset)


def _flag_input(dataset: Dataset, settings: Settings, cluster: Cluster | None) -> FlagInput:
    """The labels of a dataset, measured and loaded here or by the workers of a cluster."""
    if cluster is None:
        tables = measure_source(
            dataset.source, frozenset(), chunks=dataset.chunks(), profile=dataset.profile, jobs=settings.jobs
        )
        return FlagInput(dataset, tables, dataset.maps(settings.annotator), settings)
    from segdata.measure.partitions import measure_on_cluster  # as above
    from segdata.store.revision_writer import load_on_cluster

    tables = measure_on_cluster(cluster, dataset, frozenset(), jobs=settings.jobs).tables
    maps = LabelMaps.from_batches(
        load_on_cluster(cluster, dataset, in_order=False), dataset.taxonomy, settings.annotator
    )
    return FlagInput(dataset, tables, maps, settings, ImageCluster(cluster, dataset, settings.annotator))


@dataclass(frozen=True)
class _FlagRun:
    """Builds the report on judged labels."""

    dataset: Dataset
    tables: "Tables"
    seen: "JudgedLabels"
    thought: "FlagOutcome"
    decisions: "Sequence[Decision]"

    def validation(self, rules: Sequence[Rule], jobs: int, include_reviewed: bool) -> Validation:
        """The findings: images that could not be judged, then the most probable errors first."""
        tables = replace(self.tables, candidates=self.thought.suspected, defects=self.seen.defects)
        judged = run_rules(tables, [*rules], self.dataset.config, jobs=jobs)
        kept, settled = (
            (judged.findings, ()) if include_reviewed else split_decided(self.dataset, judged.findings, jobs)
        )
        findings = tuple(sorted(kept, key=lambda finding: (*self._place(finding), finding.order())))
        files = {finding.image for finding in findings}
        images = {
            name: uri for name, uri in tables.images.lines("image_id", "uri") if name in files and uri is not None
        }
        return Validation(
            dataset=self.dataset.profile.files,
            n_images=len(tables.images),
            n_segments=len(tables.segments),
            findings=findings,
            suppressed=judged.suppressed,
            skipped=(),
            image_files=images,
            settled=(*self._decided_findings({rule.code for rule in rules}), *settled),
        )

    def _decided_findings(self, codes: set[str]) -> list[Finding]:
        """The suspected labels that reviewers have decided, which are not reported again."""
        ours = codes & set(CODES.values())
        return [
            decision.finding
            for decision in self.decisions
            if decision.finding is not None and decision.finding.code in ours
        ]

    @cached_property
    def _ranks(self) -> dict[int, int]:
        return {id(correction): rank for rank, correction in enumerate(self.thought.suspected.corrections)}

    def _rank(self, finding: Finding) -> int:
        """The rank of a finding among the candidates; images that could not be judged come first."""
        return self._ranks.get(id(finding.correction), -1)

    @cached_property
    def _oddities(self) -> dict[tuple[str, Box], int]:
        """(image_id, box) -> rank of an unusual label."""
        unusual, images = self.thought.suspected.unusual, self.tables.images
        if unusual is None:
            return {}
        names = images["image_id"][self.tables.annotations["image"][unusual["annotation"]]].tolist()
        boxes = unusual.lines("x", "y", "width", "height")
        return {(name, tuple(box)): place for place, (name, box) in enumerate(zip(names, boxes, strict=True))}

    def _place(self, finding: Finding) -> tuple[int, int]:
        """The sort key of a finding: unusual labels come after all others, the oddest first."""
        if finding.code == UNUSUAL_CODE and finding.image is not None and finding.bbox is not None:
            return len(self._ranks), self._oddities.get((finding.image, finding.bbox), 0)
        return self._rank(finding), 0

    def _sampled_review(self, place: dict[int, int]) -> SampledReview | None:
        """The sample for review; `place`: row of a selected candidate -> position of its finding."""
        names, case, choice = self.seen.case.given.maps.image_ids, self.seen.case, self.thought.choice
        if choice.sample is None:
            return None
        stratum, size = tuple(choice.sample.stratum.tolist()), tuple(choice.sample.size.tolist())
        if choice.images is not None:
            images = tuple(names[case.images[row]] for row in choice.images.tolist())
            return SampledReview(images=images, stratum=stratum, size=size)
        findings = tuple(place.get(row, -1) for row in choice.sample.rows.tolist())
        return SampledReview(images=None, findings=findings, stratum=stratum, size=size, labels=choice.n_labels)

    def result(self, validation: Validation, quality: Sequence[DetectionQuality]) -> FlagResult:
        """The complete result."""
        thought, case = self.thought, self.seen.case
        ranks = [self._rank(finding) for finding in validation.findings]
        place = {int(thought.choice.rows[rank]): position for position, rank in enumerate(ranks) if rank >= 0}
        reasons = zip(thought.choice.seldom.tolist(), thought.choice.reasons, strict=True)
        seldom = sorted((place[row], reason) for row, reason in reasons if row in place)
        odds = thought.ranked.reported_odds[[*place]]
        unknown = [case.given.maps.image_ids[row] for row in case.images[~thought.ranked.known_images].tolist()]
        looks = image_table(case, thought.ranked, thought.trust)
        expected = expected_errors(thought.calibration.draws(odds))
        return FlagResult(
            validation=validation,
            predictions=self.seen.where,
            plan=self.seen.plan,
            choices=() if self.seen.plan is None else self.seen.plan.choices,
            notes=(
                *self.seen.notes,
                *unknown_image_notes(unknown, len(case.images)),
                *misalignment_notes(case, thought.ranked),
            ),
            trust=tuple(thought.trust),
            looks=looks,
            ranked_images=ranked_images(looks),
            scores=candidate_table(case, thought.ranked),
            n_judged=int((thought.ranked.row >= 0).sum()),
            n_left_out=thought.choice.left_out,
            expected=expected,
            expected_errors=Interval.from_numbers(expected.n, expected.low, expected.high),
            sample=self._sampled_review(place),
            annotate_next=tuple(case.given.maps.image_ids[row] for row in thought.next_images.tolist()),
            quality=tuple(quality),
            unknown_images=tuple(unknown),
            causes=common_causes(case, thought.ranked, thought.choice, validation.findings, place),
            seldom_right=tuple(position for position, _ in seldom),
            seldom_reasons=tuple(reason for _, reason in seldom),
        )


def _read_decisions(dataset: Dataset) -> list[Decision]:
    """The decisions of reviewers on the current labels."""
    from segdata.api.decisions import current_decisions
    from segdata.review import decision_log

    path = decision_log_path(dataset.profile.files)
    return current_decisions(dataset, decision_log.read_decisions(path)) if path.is_file() else []
