"""Browse: look at a dataset with its findings in FiftyOne, or as PNG files."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from segdata.api.flag import countable_categories, open_predictor
from segdata.api.read import Data, ReadOptions, read
from segdata.api.validate import validate
from segdata.core.config import did_you_mean
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.executor import Progress, no_progress, run_ordered
from segdata.core.finding import Finding
from segdata.core.paths import DECISION_LOG, decision_log_path
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits
from segdata.measure.source_cache import cache_folder
from segdata.noise.networks.predictions import open_predictions
from segdata.noise.predictor import FilePredictor
from segdata.report.fiftyone.app import (
    PORT,
    App,
    database_errors,
    import_fiftyone,
    install_plugin,
    run_app,
    set_appearance,
)
from segdata.report.fiftyone.decisions import pull_from_fiftyone
from segdata.report.fiftyone.finding_labels import LoggedDecisions
from segdata.report.fiftyone.media_files import MapValues, MediaFiles
from segdata.report.fiftyone.samples import SampleBuilder, SampleLoader, open_dataset
from segdata.report.fiftyone.segment_labels import HeatMaps, PixelProbabilities, SegmentLabels
from segdata.report.pictures.overlays import draw_image, find_image
from segdata.review.decision_log import append_decisions, read_decisions

_BATCH_IMAGES = 256  # kept in memory until they are stored


@dataclass(frozen=True, slots=True)
class BrowseResult:
    """A dataset in FiftyOne.

    Attributes
    ----------
    name : of the dataset in FiftyOne
    dataset : the `fiftyone.Dataset`, for use in Python
    n_images : number of images
    n_findings : number of findings on images
    about_dataset : findings about no image
    elsewhere : findings about images that are not in the dataset
    n_settled : number of findings that reviewers have decided
    n_decided : number of earlier decisions in FiftyOne that this run added to the log
    log : path of the log
    notes : a line for each change in FiftyOne that is no decision and was lost, and for findings about annotators
        that are not in the data
    """

    name: str
    dataset: Any = field(repr=False)  # Any: FiftyOne has no types
    n_images: int
    n_findings: int
    about_dataset: tuple[Finding, ...]
    elsewhere: tuple[Finding, ...]
    n_settled: int = 0
    n_decided: int = 0
    log: Path | None = None
    notes: tuple[str, ...] = ()

    @contextmanager
    def app(self, port: int = PORT) -> Iterator[App]:
        """The App with this dataset, on this machine, while the block runs: its `address`, and `wait` to stay there.

        It has buttons to decide with; they say who decides by FIFTYONE_USER, else by who is logged in. Raises
        SegdataError where the port is taken, or the folder of FiftyOne's plugins cannot be written.
        """
        package = import_fiftyone()
        install_plugin(package)
        with run_app(package, self.dataset, port) as shown:
            yield shown


def browse(
    data: Data,
    *,
    findings: Iterable[Finding] | None = None,
    predictions: str | Path | None = None,
    name: str | None = None,
    labels_of: str | None = None,
    annotators: Iterable[str] = (),
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> BrowseResult:
    """Put the dataset with its findings into FiftyOne, or bring it up to date there.

    Parameters
    ----------
    findings : None: those of `validate`, with those that reviewers have decided
    predictions : a folder that `flag` wrote, or files of any format that it takes as predictions; the probability of
        the given labels becomes a layer
    name : of the dataset in FiftyOne; default: ``segdata-`` and the name of the data
    labels_of : whose labels these are, where annotations do not say; findings of `agree` about others are left out
    annotators : those who were compared, though there may be no finding about some of them
    jobs, progress : see `Dataset`

    Tags and other values that people gave in FiftyOne stay. Decisions that nobody has pulled are written to the
    review log first. ``with result.app() as app: app.wait()`` opens the App. Raises SegdataError where FiftyOne
    or its database is not available, the name belongs to another dataset, or nobody is called `labels_of`.
    """
    dataset = read(data, **opening)
    if labels_of is not None and findings is not None:
        findings = list(findings)
        _check_annotator(labels_of, {*annotators, *(who for finding in findings if (who := finding.annotator))})
    layer = None if predictions is None else predicted_layer(dataset, predictions)
    with database_errors():
        package = import_fiftyone()
        name = name or f"segdata-{dataset.profile.name}"
        target = open_dataset(package, name, _dataset_origin(dataset.profile.files))
        log = _log_path(dataset.profile.files, target)
        n_decided, notes = _pull_decisions(name, dataset.profile, log)
        if findings is None:
            findings = validate(dataset, include_reviewed=True, one_by_one=True, jobs=jobs).findings
        listed = tuple(findings)
        ids = set(dataset.image_ids)
        media = MediaFiles(cache_folder() / "fiftyone" / target.slug)
        targets = MapValues.from_profile(dataset.profile)
        builder = SampleBuilder(
            SegmentLabels(package, dataset.profile, targets, media),
            HeatMaps.from_predictions(package, media, layer),
            _by_image(listed, ids),
            LoggedDecisions.from_log(read_decisions(log)),
            labels_of,
        )
        loader = SampleLoader(package, target)
        n_settled, about_others = _load_samples(loader, builder, dataset, jobs, progress)
        loader.finish(is_part=dataset.is_part)
        if about_others:
            notes += (_left_out_note(about_others, labels_of),)
        shown = [finding for finding in listed if finding.image in ids and finding not in about_others]
        set_appearance(loader, dataset.profile, targets, shown)
        if not dataset.is_part:  # the other images are still shown
            media.sweep()
        about_dataset = tuple(finding for finding in listed if finding.image is None)
        loader.store(about_dataset=[_finding_line(finding) for finding in about_dataset])
        return BrowseResult(
            name=name,
            dataset=target,
            n_images=len(dataset),
            n_findings=len(shown),
            about_dataset=about_dataset,
            elsewhere=tuple(finding for finding in listed if finding.image not in {*ids, None}),
            n_settled=n_settled,
            n_decided=n_decided,
            log=log,
            notes=notes,
        )


def _by_image(findings: Iterable[Finding], image_ids: set[str]) -> dict[str, list[Finding]]:
    """The findings about images of the dataset, by image."""
    by_image: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.image in image_ids:
            by_image.setdefault(str(finding.image), []).append(finding)
    return by_image


def _finding_line(finding: Finding) -> str:
    return f"{finding.code} {finding.rule} ({finding.severity}): {finding.message}"


def _load_samples(
    loader: SampleLoader, builder: SampleBuilder, dataset: Dataset, jobs: int, progress: Progress
) -> tuple[int, set[Finding]]:
    """Load every image; returns the number of decided findings, and findings about annotators not in the data."""
    n_settled, about_others = 0, set[Finding]()
    with image_limits():
        for portion in run_ordered(
            lambda rows: builder.entries(dataset.source.load(rows)), _portions(dataset.chunks()), jobs
        ):
            loader.load(portion)
            n_settled += sum(entry.n_settled for entry in portion)
            about_others.update(finding for entry in portion for finding in entry.others)
            progress(len(portion))
    return n_settled, about_others


def _left_out_note(about_others: set[Finding], labels_of: str | None) -> str:
    """The note about findings that name annotators who are not in the data."""
    names = ", ".join(sorted({str(finding.annotator) for finding in about_others}))
    hint = "" if labels_of else "; if annotations here have no name and are of one of them, give --labels-of"
    return f"{count_noun(len(about_others), 'finding')} left out, about others, who are not in the data: {names}{hint}"


def _check_annotator(name: str, annotators_known: set[str]) -> None:
    """Raise SegdataError if all findings are about other annotators."""
    if annotators_known and name not in annotators_known:
        names = sorted(annotators_known)
        raise SegdataError(
            f"--labels-of: the findings know no annotator {name!r}{did_you_mean(name, names)}; "
            f"they are of {', '.join(names)}"
        )


def predicted_layer(dataset: OpenDataset, predictions: str | Path) -> PixelProbabilities:
    """The predictions of a model for a dataset: a folder that `flag` wrote, or files of any format.

    Raises SegdataError if they cannot be read, or share nothing with the labels.
    """
    if (Path(predictions) / "predictions.json").is_file():
        return open_predictions(predictions)
    maps = dataset.maps()
    predictor, _ = open_predictor(dataset, maps, countable_categories(dataset), predictions)
    things = sorted(countable_categories(dataset)) if predictor.agnostic else ()
    return _FilePixels(tuple(maps.image_ids), predictor, things)


@dataclass(frozen=True, slots=True)
class _FilePixels:
    """The predicted pixels in files; without categories, each segment has the category of its mask."""

    image_ids: Sequence[str]
    predictor: FilePredictor
    things: Sequence[int]

    @property
    def usable(self) -> Flags:
        return self.predictor.usable

    @property
    def channels(self) -> dict[int, int]:
        if self.predictor.agnostic:
            return dict.fromkeys(self.things, 1)
        return {id_: number for number, id_ in enumerate(self.predictor.categories, start=1)}

    def probabilities(self, row: int) -> NDArray[np.float32]:
        prediction = self.predictor.predict(row)
        return prediction.probability.reshape(-1, prediction.width, prediction.height).transpose(0, 2, 1)


def _log_path(files: str, target: Any) -> Path:  # Any: FiftyOne has no types
    """The path of the decision log: beside the data, or in the cache folder if the data are not on this machine."""
    beside = Path(files)
    return (
        decision_log_path(beside)
        if files and beside.exists()
        else cache_folder() / "fiftyone" / f"{target.slug}.{DECISION_LOG}"
    )


def _pull_decisions(name: str, profile: Profile, log: Path) -> tuple[int, tuple[str, ...]]:
    """Add new decisions in FiftyOne to the log; returns their number, and notes."""
    logged = read_decisions(log)
    decided = {*logged, *(replace(decision, adjudicates=False) for decision in logged)}
    pulled = pull_from_fiftyone(name, profile)
    fresh = [decision for decision in pulled.decisions if decision not in decided]
    if fresh:
        log.parent.mkdir(parents=True, exist_ok=True)
    return append_decisions(log, fresh), pulled.notes


def _portions(chunks: list[Ints]) -> Iterator[Ints]:
    for rows in chunks:
        yield from np.array_split(rows, -(-len(rows) // _BATCH_IMAGES) or 1)


def _dataset_origin(files: str) -> str:
    """The identity of a dataset, independent of the working directory."""
    return files if "://" in files else str(Path(files).absolute())


def show(
    data: Data,
    names: str | Iterable[str],
    folder: str | Path,
    *,
    findings: Sequence[Finding] = (),
    **opening: Unpack[ReadOptions],
) -> list[Path]:
    """Draw images with their segments as PNG files.

    `names`: ids of images, or the ends of ids; `folder`: where the files go; `findings`: to be marked. Returns
    the files. Raises SegdataError for a name that no image has.
    """
    dataset = read(data, **opening)
    image_ids = [find_image(dataset, name) for name in ([names] if isinstance(names, str) else names)]
    with image_limits():
        return [path for name in image_ids for path in draw_image(dataset, name, findings, Path(folder))]
