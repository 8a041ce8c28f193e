"""Dataset: an opened dataset with the commands of segdata as methods.

Each method imports its command when it is called, so that opening a dataset does not load pandas, SciPy or PyTorch.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segdata.core.config import Metric
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Finding
from segdata.core.validation import FailOn
from segdata.dataset_edits import EditableDataset, Progress, no_progress

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from segdata.agreement.acceptance import DeliveryQuality
    from segdata.api.agreement import AgreementResult
    from segdata.api.browse import BrowseResult
    from segdata.api.consensus import ConsensusResult
    from segdata.api.diff import DiffResult
    from segdata.api.evaluate import AcceptanceResult, EvaluationResult
    from segdata.api.flag import FlaggedLabels
    from segdata.api.info import InfoResult
    from segdata.api.panel import PanelData
    from segdata.api.pilot import PilotOutcome
    from segdata.api.read import Data
    from segdata.api.report import ReportResult
    from segdata.api.revisions import FixResult
    from segdata.api.scorecard import ReworkResult, ScorecardResult
    from segdata.api.validate import ValidationResult
    from segdata.noise.networks.plan import TrainingPlan
    from segdata.noise.networks.settings import Settings, StageProgress
    from segdata.noise.predictor import Predictor


@dataclass(frozen=True, repr=False)
class Dataset(EditableDataset):
    """An opened dataset of any format, as `segdata.read` returns it.

    The methods are the commands of the command line, with the same names. Results have `to_json()` (the text of
    ``--format json``), `table()` (a pandas table), `findings` where they consist of findings, and `to_html()` where
    the command has an HTML report.

    Common parameters:

    - ``target``: a folder that does not exist yet, or is empty; for formats of one file, that file
    - ``jobs``: threads; 0: one per core
    - ``progress``: a function that is called with the number of images done since the last call
    - ``copy_images``: copy the image files too; otherwise the new dataset refers to them
    - ``select``, ``ignore``: a rule code, a prefix of codes or a rule name, or several

    Every method raises `SegdataError` with a message that says what is wrong, where, and what to do.

    `images`, `annotations` and `segments` are pandas tables; ``for batch in dataset`` goes through the pixels in
    portions of many images; ``len(dataset)`` counts images.

    >>> import numpy as np, segdata
    >>> road = np.zeros((40, 60), np.uint8)
    >>> road[10:30], road[35, 45] = 1, 1
    >>> dataset = segdata.from_arrays({"a.png": road}, taxonomy=["road"])
    >>> len(dataset), dataset.segments["area"].tolist()
    (1, [1201])
    >>> [finding.code for finding in dataset.validate(select="SEG106").findings]
    ['SEG106']
    """

    # Check

    def validate(
        self,
        *,
        select: str | Iterable[str] = (),
        ignore: str | Iterable[str] = (),
        by: str | None = None,
        review: bool = True,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "ValidationResult":
        """Check the labels against the rules.

        Parameters
        ----------
        select, ignore : rules to run, and not to run; default: as segdata.yaml says, or all
        by : group statistics by this column: split, camera, annotator and others; default: as segdata.yaml says
        review : leave out findings that reviewers have decided, as long as their labels stay the same
        jobs, progress : see `Dataset`

        Rules that need the whole dataset are skipped for a part of it; `skipped` names them.

        Returns the findings, worst first: `findings`, `by_code`, `count`, `fails`. Raises SegdataError for unknown
        rules, options or columns.

        >>> import numpy as np, segdata
        >>> dataset = segdata.from_arrays({"a.png": np.array([[1, 9]])}, ["grass"])
        >>> print(dataset.validate().findings[0].message)
        value 9 has no category; its pixels are unlabelled
        """
        from segdata.api.validate import validate

        return validate(self, select=select, ignore=ignore, by=by, review=review, jobs=jobs, progress=progress)

    def assert_valid(
        self,
        *,
        fail_on: FailOn = "error",
        select: str | Iterable[str] = (),
        ignore: str | Iterable[str] = (),
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> None:
        """Raise InvalidDatasetError if there are findings at or above `fail_on`: one line for a training script.

        `fail_on`: ``error``, ``warning``, ``info`` or ``never``; the others as for `validate`. The message names the
        first findings.
        """
        from segdata.api.validate import assert_valid

        assert_valid(self, fail_on=fail_on, select=select, ignore=ignore, jobs=jobs, progress=progress)

    def fix(
        self,
        findings: Iterable[Finding] | None = None,
        *,
        unsafe: bool = False,
        dry_run: bool = False,
        jobs: int = 0,
    ) -> "FixResult":
        """Fix findings in a new revision of a canonical dataset.

        Parameters
        ----------
        findings : those to fix; None: those of `validate`
        unsafe : also apply fixes that change what an annotator drew; default: safe fixes only
        dry_run : change nothing, and return what would be fixed
        jobs : threads for validating

        Images of volumes are left to people, since a finding in three dimensions cannot be fixed in one slice. Open
        the dataset again to see the new revision. Raises SegdataError for a dataset that is not canonical, and where
        another revision was made since it was opened.
        """
        from segdata.api.revisions import fix

        return fix(self, findings, unsafe=unsafe, dry_run=dry_run, jobs=jobs)

    def flag(
        self,
        *,
        settings: "Settings | None" = None,
        predictions: "str | Path | OpenDataset | Predictor | None" = None,
        work: str | Path | None = None,
        budget: str | None = None,
        truth: str | Path | OpenDataset | None = None,
        select: str | Iterable[str] = (),
        ignore: str | Iterable[str] = (),
        review: bool = True,
        planned: "Callable[[TrainingPlan], None]" = lambda plan: None,
        progress: "Callable[[StageProgress], None]" = lambda stage: None,
    ) -> "FlaggedLabels":
        """Rank the labels by how probably they are wrong, and propose a correction for each.

        Parameters
        ----------
        settings : of the training; `segdata.Settings`
        predictions : a model's results to use instead of training networks: a folder that `flag` wrote, files of any
            format, or an object with the methods of a predictor. The model must not have seen these labels
        work : a folder for networks and predictions, in which a stopped run goes on; default: a folder in the user's
            cache directory
        budget : how much a reviewer can look at: ``200``, ``5%``, ``30min`` or ``40 images``; default: all labels
            above the thresholds, 5 % of the segments at most
        truth : known errors to evaluate against: clean labels of the same images, or a list of errors (JSON)
        select, ignore, review : as for `validate`
        planned : called with the plan before training begins
        progress : called with the state of each stage

        The dataset needs its image files unless you pass `predictions`. `flag` reports nothing for categories that
        the model cannot predict reliably. Raises SegdataError where PyTorch is missing or predictions do not fit.
        """
        from segdata.api.flag import flag

        return flag(
            self,
            settings=settings,
            predictions=predictions,
            work=work,
            budget=budget,
            truth=truth,
            select=select,
            ignore=ignore,
            review=review,
            planned=planned,
            progress=progress,
        )

    def agreement(
        self,
        others: "PanelData" = (),
        *,
        name: str | None = None,
        gold: str | None = None,
        by: str | None = None,
        plan: float | None = None,
        contrasts: bool = False,
        models: str | Iterable[str] = (),
        anonymise: bool = False,
        pair_by: str | None = None,
        taxonomy_map: str | Path | None = None,
        tolerance: float | None = None,
        tolerance_mm: float | None = None,
        confidence: float = 0.95,
        resamples: int = 2000,
        seed: int = 0,
        select: str | Iterable[str] = (),
        ignore: str | Iterable[str] = (),
        review: bool = True,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "AgreementResult":
        """Measure how much annotators agree, on what, and who differs.

        Parameters
        ----------
        others : other annotators' datasets, by name; none are needed if this dataset has several annotators
        name : the annotator of this dataset; None: as its annotations say
        gold : the name of the reference annotator; default: ``gold`` in segdata.yaml
        by : group results by this column: split, camera, site and others
        plan : also say how many images must be labelled twice for intervals of plus and minus this
        contrasts : also test whether annotators agree with the reference equally well; without one, whether pairs do
        models : annotators that are models: also say how much of everybody's work is theirs, unchanged
        anonymise : call the annotators A, B, C, except the reference
        pair_by : how to pair images: ``id``, ``stem``, ``name``, ``varying`` or ``content``; default: the first that
            pairs any
        taxonomy_map : a YAML file that says under which names categories are compared
        tolerance, tolerance_mm : how far apart two boundaries may be and still count as one: in pixels (2), and in mm
            where the spacing is known
        confidence, resamples, seed : of the bootstrap intervals
        select, ignore, review : as for `validate`
        jobs, progress : see `Dataset`

        Returns scores with intervals, and findings. The same input and seed give the same result. Raises SegdataError
        if there is only one annotator, or no image in common.
        """
        from segdata.api.agreement import agree

        return agree(
            self._panel(others, name),
            gold=gold,
            by=by,
            plan=plan,
            contrasts=contrasts,
            models=models,
            anonymise=anonymise,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            select=select,
            ignore=ignore,
            review=review,
            jobs=jobs,
            progress=progress,
        )

    def consensus(
        self,
        target: str | Path,
        others: "PanelData" = (),
        *,
        name: str | None = None,
        method: str = "auto",
        undecided: Literal["void", "list"] = "void",
        min_support: float = 0.5,
        leave_one_out: bool = True,
        copy_images: bool = False,
        pair_by: str | None = None,
        taxonomy_map: str | Path | None = None,
        confidence: float = 0.95,
        resamples: int = 2000,
        seed: int = 0,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "ConsensusResult":
        """Write what annotators agree on as a canonical dataset, with one annotation per image by ``consensus``.

        Parameters
        ----------
        target, copy_images, jobs, progress : see `Dataset`
        others, name : as for `agreement`
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
        from segdata.api.consensus import consensus

        return consensus(
            self._panel(others, name),
            target,
            method=method,
            undecided=undecided,
            min_support=min_support,
            leave_one_out=leave_one_out,
            copy_images=copy_images,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )

    def evaluate(
        self,
        gold: "Data",
        *,
        name: str | None = None,
        pair_by: str | None = None,
        taxonomy_map: str | Path | None = None,
        confidence: float = 0.95,
        resamples: int = 2000,
        seed: int = 0,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "EvaluationResult":
        """Evaluate a model whose predictions this dataset holds: mIoU, Dice, PQ, and mask AP as COCO defines it.

        Parameters
        ----------
        gold : the reference dataset
        name : the model's name
        pair_by, taxonomy_map, confidence, resamples, seed : as for `agreement`
        jobs, progress : see `Dataset`

        Images that only the reference has are left out: give the model's answer on them even if it is empty. To
        compare several models use `segdata.evaluate`, which also reads lists of COCO results.
        """
        from segdata.api.evaluate import evaluate

        return evaluate(
            self._panel((), name),
            gold,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )

    def acceptance(
        self,
        gold: "Data",
        *,
        quality: "DeliveryQuality | None" = None,
        lot: int | None = None,
        metric: Metric | None = None,
        bar: float | None = None,
        tolerance: float | None = None,
        tolerance_mm: float | None = None,
        pair_by: str | None = None,
        taxonomy_map: str | Path | None = None,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "AcceptanceResult":
        """Accept or reject this delivery by the gold images in it.

        Parameters
        ----------
        gold : the gold standard: the same images, annotated by the reference
        quality : shares of defective images and risks, `segdata.DeliveryQuality`; None: 1 % is acceptable,
            5 % is not, with risks of 5 % and 10 %
        lot : how many images, or volumes, were delivered; None: as many as this dataset has
        metric, bar : of all categories together; they override segdata.yaml, which may also set bars for categories
        tolerance, tolerance_mm, taxonomy_map : as for `agreement`
        pair_by : as for `agreement`; default: by id if any id is in both, otherwise by the content of image files,
            which also finds gold images that were hidden under other names
        jobs, progress : see `Dataset`

        Raises SegdataError if there is no bar.
        """
        from segdata.api.evaluate import accept

        return accept(
            self,
            gold,
            quality=quality,
            lot=lot,
            metric=metric,
            bar=bar,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            jobs=jobs,
            progress=progress,
        )

    def scorecard(
        self,
        others: "PanelData" = (),
        *,
        name: str | None = None,
        gold: str | None = None,
        before: "Data | None" = None,
        metric: Metric = "iou",
        worst: int = 3,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "ScorecardResult":
        """Report what each annotator did, how well, how fast, how that changes, and their worst examples.

        Parameters
        ----------
        others, name : as for `agreement`; here one annotator is enough, who then has no score
        gold : the name of the reference; default: as segdata.yaml says; without one: each against the others
        before : this work as it was before a review, which gives the share that passed unchanged; None: the stages of
            annotations give it
        metric : of the scores; not a distance
        worst : how many examples of each annotator
        jobs, progress : see `Dataset`
        """
        from segdata.api.scorecard import scorecard

        return scorecard(
            self._panel(others, name),
            gold=gold,
            before=before,
            metric=metric,
            worst=worst,
            jobs=jobs,
            progress=progress,
        )

    def rework(
        self,
        before: "Data",
        *,
        tolerance: float | None = None,
        tolerance_mm: float | None = None,
        pair_by: str | None = None,
        taxonomy_map: str | Path | None = None,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "ReworkResult":
        """Measure how much of the work a reviewer corrected, by annotator and category.

        Parameters
        ----------
        before : the work as it was before the review: a dataset, or an earlier revision, ``DATA@r0001``
        tolerance, tolerance_mm : boundaries that moved by less were not corrected: in pixels (2), in mm where known
        pair_by, taxonomy_map : as for `agreement`
        jobs, progress : see `Dataset`

        Raises SegdataError if nothing was reviewed.
        """
        from segdata.api.scorecard import rework

        return rework(
            before,
            self,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            jobs=jobs,
            progress=progress,
        )

    def diff(
        self,
        other: "Data",
        *,
        ignore: str | Iterable[str] = (),
        only: str | Iterable[str] | None = None,
        strict: bool = False,
        limit: int | None = 100,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "DiffResult":
        """Compare this dataset (A) with another (B) of any format: images, annotations, pixels, categories.

        Parameters
        ----------
        other : a file, a folder or a `Dataset`
        ignore : kinds of difference that do not count, named as in `counts`
        only : image ids; the others are left out
        strict : segment ids and polygon vertices count as differences too
        limit : how many differences of each kind to list; all are counted. None: list all
        jobs, progress : see `Dataset`

        Images are paired by their ids (if no id is in both: without extension, then without folders), annotations by
        image and annotator, and segments by their pixels. File locations and storage are not compared.

        Returns counts by kind and the first differences; ``.same`` says whether nothing differs.
        """
        from segdata.api.diff import diff

        return diff(self, other, ignore=ignore, only=only, strict=strict, limit=limit, jobs=jobs, progress=progress)

    # Look

    def info(
        self,
        *,
        with_hash: bool = False,
        raster_rules: bool = False,
        by: str | None = None,
        with_channels: bool = False,
        with_shapes: bool = False,
        jobs: int = 0,
    ) -> "InfoResult":
        """Count images, segments and pixels, by category and as a whole.

        Parameters
        ----------
        with_hash : also the content hash of the labels, as `hash` returns it
        raster_rules : also how many polygons have other pixels when other tools' rules draw them
        by : also each value of this column: split, camera, site and others
        with_channels : also mean and standard deviation of the image channels; decodes all images
        with_shapes : also quartiles of length, width, diameter and perimeter of things, in px and mm
        jobs : see `Dataset`

        `categories` has one row per category. Its columns ``weight`` (inverse square root of the frequency),
        ``weight_inverse``, ``weight_median`` and ``weight_effective`` are class weights for a loss; `torch` shows how
        to use them. Raises SegdataError for an unknown column.
        """
        from segdata.api.info import info

        return info(
            self,
            jobs=jobs,
            with_hash=with_hash,
            raster_rules=raster_rules,
            by=by,
            with_channels=with_channels,
            with_shapes=with_shapes,
        )

    def hash(self, *, jobs: int = 0) -> str:
        """The content hash of the labels, 64 hexadecimal digits: log it with a training run.

        The same labels give the same hash in every format that can hold them.
        """
        from segdata.api.info import hash_of

        return hash_of(self, jobs=jobs)

    def objects(self, *, jobs: int = 0) -> "pd.DataFrame":
        """One row for each segment (in semantic data for each part of one): place, size and shape in px and mm."""
        from segdata.api.info import objects

        return objects(self, jobs=jobs)

    def areas_m2(self) -> "NDArray[np.float64]":
        """(n_segments,) the square metres that each segment covers, in the order of `segments`.

        NaN where the image does not say where it lies on the ground. Raises SegdataError where rasterio is missing,
        or a coordinate system has no areas.
        """
        from segdata.api.info import areas_m2

        return areas_m2(self)

    def show(self, names: str | Iterable[str], folder: str | Path, *, findings: Sequence[Finding] = ()) -> list[Path]:
        """Draw images with their segments as PNG files.

        `names`: ids of images, or the ends of ids; `folder`: where the files go; `findings`: to be marked. Returns
        the files. Raises SegdataError for a name that no image has.
        """
        from segdata.api.browse import show

        return show(self, names, folder, findings=findings)

    def browse(
        self,
        *,
        findings: Iterable[Finding] | None = None,
        predictions: str | Path | None = None,
        name: str | None = None,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "BrowseResult":
        """Put the dataset with its findings into FiftyOne, or bring it up to date there.

        Parameters
        ----------
        findings : None: those of `validate`, with those that reviewers have decided
        predictions : a folder of `flag`; the probability of the given labels becomes a layer
        name : of the dataset in FiftyOne; default: ``segdata-`` and the name of the data
        jobs, progress : see `Dataset`

        Tags and other values that people gave in FiftyOne stay. Decisions that nobody has pulled are written to the
        review log first. ``with result.app() as app: app.wait()`` opens the App. Raises SegdataError where FiftyOne
        or its database is not available, or the name belongs to another dataset.
        """
        from segdata.api.browse import browse

        return browse(self, findings=findings, predictions=predictions, name=name, jobs=jobs, progress=progress)

    def report(
        self,
        *,
        flagged: str | Path | None = None,
        agreement: bool = True,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "ReportResult":
        """Report everything known about quality: rules, balance, agreement, suspected labels, review and costs.

        Parameters
        ----------
        flagged : the JSON report of a run of `flag`; without it the report has no suspected labels
        agreement : compare the annotators, if there are several
        jobs, progress : see `Dataset`
        """
        from segdata.api.report import overview

        return overview(self, flagged=flagged, agreement=agreement, jobs=jobs, progress=progress)

    def pilot(
        self,
        *,
        campaign: int | None = None,
        min_instances: int | None = None,
        minutes_per_image: float | None = None,
        minutes_per_segment: float | None = None,
        rate: float | None = None,
        ignore: str | Iterable[str] = (),
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "PilotOutcome":
        """Judge from this pilot whether a taxonomy is ready for the full campaign.

        Parameters
        ----------
        campaign : images in the campaign, those of the pilot among them; default: totals for 1000 images
        min_instances : segments wanted of each category; default: as rule SEG302 is configured
        minutes_per_image, minutes_per_segment : of work; default: as the annotations say (`seconds`)
        rate : the cost of an hour
        ignore : kinds of reasons that do not count
        jobs, progress : see `Dataset`

        The images must be a random sample of the campaign's. Returns what the campaign will hold, with ranges that
        are right in 19 of 20 campaigns, and the reasons not to begin yet; `ready` is true if nothing blocks.
        """
        from segdata.api.pilot import pilot

        return pilot(
            self,
            campaign=campaign,
            min_instances=min_instances,
            minutes_per_image=minutes_per_image,
            minutes_per_segment=minutes_per_segment,
            rate=rate,
            ignore=ignore,
            jobs=jobs,
            progress=progress,
        )

    def _panel(self, others: "PanelData", name: str | None) -> "PanelData":
        """All datasets, own first, each with its annotator's name or None."""
        from segdata.api.panel import name_datasets

        return [(name, self), *name_datasets(others)]
