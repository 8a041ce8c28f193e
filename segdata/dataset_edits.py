"""Dataset edits: the methods of `segdata.Dataset` that write a dataset, a revision or a decision.

Each method imports its command when it is called, as in `segdata.dataset`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segdata.core.config import Option
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Decision, Finding
from segdata.core.taxonomy import Taxonomy

if TYPE_CHECKING:
    from segdata.api.convert import Conversion, OnLoss
    from segdata.api.draft import DraftResult
    from segdata.api.edits import FilterResult, MergeResult
    from segdata.api.read import Data
    from segdata.api.review import AppliedDecisions, ImportedTask, ProgressResult, PulledDecisions
    from segdata.api.revisions import HistoryResult
    from segdata.api.split import SampleResult, SplitResult
    from segdata.noise.networks.settings import Settings, StageProgress
    from segdata.store.remap import TaxonomyMap
    from segdata.store.revisions import PruneResult

Progress = Callable[[int], None]


def no_progress(n_images: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, repr=False)
class EditableDataset(OpenDataset):
    """The commands that write. Users hold a `segdata.Dataset`, which has these methods and those that check and look.

    `target`, `copy_images`, `jobs` and `progress` are explained at `segdata.Dataset`. Whatever goes wrong, nothing
    half-written stays behind.
    """

    def convert(
        self,
        target: str | Path,
        *,
        to: str = "canonical",
        on_loss: "OnLoss" = "warn",
        verify: bool = False,
        copy_images: bool = False,
        taxonomy_map: "str | Path | TaxonomyMap | None" = None,
        write_options: Mapping[str, Option] | None = None,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "Conversion":
        """Write the dataset in another format, and count exactly what that format cannot hold.

        Parameters
        ----------
        target, copy_images, jobs, progress : see `Dataset`
        to : the name of the format, as ``segdata formats`` lists them
        on_loss : ``error``: write nothing if anything would be lost (`LossError`); ``warn`` or ``allow``: count losses
        verify : read the target again and compare everything; `proof.holds` says whether only counted losses differ
        taxonomy_map : a YAML file: old category -> new one
        write_options : of the format, as ``segdata formats NAME`` lists them

        A certificate of the losses goes with the result: in dataset.yaml of a canonical dataset, as ``losses.json`` in
        another folder, as ``coco.losses.json`` beside ``coco.json``.
        """
        from segdata.api.convert import convert

        return convert(
            self,
            target,
            to=to,
            on_loss=on_loss,
            verify=verify,
            copy_images=copy_images,
            taxonomy_map=taxonomy_map,
            write_options=write_options,
            jobs=jobs,
            progress=progress,
        )

    def split(
        self,
        parts: Mapping[str, float] | None = None,
        *,
        group: str | Iterable[str] = (),
        seed: int = 0,
        keep: bool = False,
        near: bool = True,
        lists: str | Path | None = None,
        dry_run: bool = False,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "SplitResult":
        """Divide the images into train, val and test, with balanced categories and without leaks.

        Parameters
        ----------
        parts : the share of each part; default: train 0.7, val 0.15, test 0.15
        group : columns whose values must stay together, beside `group` and `sequence`, which always do
        seed : random seed; the order of the images does not matter
        keep : images that are in one of the parts already stay there
        near : images that are nearly the same stay together; all images are decoded to find them
        lists : a folder for one list of image ids per part, for formats that cannot hold a split; None: a canonical
            dataset gets a new revision with the parts in its column `split`
        dry_run : write nothing
        jobs, progress : see `Dataset`

        Raises SegdataError where shares do not sum to 1, and without `lists` for a dataset that is not canonical.
        """
        from segdata.api.split import split

        return split(
            self,
            parts,
            group=group,
            seed=seed,
            keep=keep,
            near=near,
            lists=lists,
            dry_run=dry_run,
            jobs=jobs,
            progress=progress,
        )

    def merge(
        self,
        others: "Data | Iterable[Data]",
        target: str | Path,
        *,
        taxonomy_maps: "Mapping[int, str | Path | TaxonomyMap] | None" = None,
        apart: bool = False,
        copy_images: bool = False,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "MergeResult":
        """Write this dataset and others as one canonical dataset.

        Parameters
        ----------
        others : a file, a folder or a `Dataset`, or several; where they disagree the earlier one counts
        target, copy_images, jobs, progress : see `Dataset`
        taxonomy_maps : place among the datasets (0: this one) -> a map of its categories, as for `convert`
        apart : images are never the same: each goes into a folder with the name of its dataset

        Categories with the same name, or an alias of it, become one. Images with the same name become one, with the
        annotations of all datasets, unless their sizes or files differ. Raises SegdataError for datasets of different
        tasks, and for categories that cannot be one.
        """
        from segdata.api.edits import merge

        several = [others] if isinstance(others, (str, Path, OpenDataset)) else list(others)
        return merge(
            [self, *several],
            target,
            taxonomy_maps=taxonomy_maps,
            apart=apart,
            copy_images=copy_images,
            jobs=jobs,
            progress=progress,
        )

    def filter(
        self,
        target: str | Path,
        *,
        category: str | Iterable[str] = (),
        drawn_by: str | Iterable[str] = (),
        min_area: int | None = None,
        max_area: int | None = None,
        finding: str | Iterable[str] = (),
        findings: str | Path | Sequence[Finding] = (),
        where: str | Iterable[str] = (),
        keep_images: bool = False,
        copy_images: bool = False,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "FilterResult":
        """Write the images, annotations and segments that meet all conditions as a canonical dataset.

        Parameters
        ----------
        target, copy_images, jobs, progress : see `Dataset`
        category : segments of these categories, or of categories below them
        drawn_by : annotations by these annotators
        min_area, max_area : segments of at least, and at most, so many pixels
        finding : images with a finding of these codes, or codes that begin like this; needs `findings`
        findings : a JSON report of `validate`, or findings; the columns `findings` and `image_findings` count them
        where : conditions over columns, such as ``"area > 100 and category == 'car'"``; see
            `segdata.store.selection`
        keep_images : keep images that lose all their labels, as annotated and empty

        A condition on segments also drops images without such a segment, and one on annotations images without such
        an annotation. Raises SegdataError for unknown categories and columns, and for invalid conditions.
        """
        from segdata.api.edits import filter

        return filter(
            self,
            target,
            category=category,
            drawn_by=drawn_by,
            min_area=min_area,
            max_area=max_area,
            finding=finding,
            findings=findings,
            where=where,
            keep_images=keep_images,
            copy_images=copy_images,
            jobs=jobs,
            progress=progress,
        )

    def tile(
        self,
        target: str | Path,
        size: int | tuple[int, int] = 512,
        *,
        overlap: int = 0,
        crop_images: bool = True,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "Conversion":
        """Cut all images into tiles, and write pictures and labels as a canonical dataset.

        Parameters
        ----------
        target, jobs, progress : see `Dataset`
        size : of a tile in pixels: one number, or width and height
        overlap : pixels that neighbours share, at least; the last tiles share more, so that all have the full size
        crop_images : write the pictures too; otherwise tiles have none

        Segments keep their ids, so that `untile` restores the labels. Tiles of one image share a `group`, so that
        `split` keeps them together.
        """
        from segdata.api.edits import tile

        return tile(self, target, size, overlap=overlap, crop_images=crop_images, jobs=jobs, progress=progress)

    def crop(
        self,
        target: str | Path,
        *,
        window: tuple[int, int, int, int] | None = None,
        category: str | Sequence[str] | None = None,
        margin: int = 0,
        crop_images: bool = True,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "Conversion":
        """Cut windows out of images, and write pictures and labels as a canonical dataset.

        Parameters
        ----------
        window : x, y, width and height in pixels: the same window in each image
        category : without `window`: a window around each segment of these categories; None: around each segment
        margin : pixels around each segment
        target, crop_images, jobs, progress : as for `tile`
        """
        from segdata.api.edits import crop

        return crop(
            self,
            target,
            window=window,
            category=category,
            margin=margin,
            crop_images=crop_images,
            jobs=jobs,
            progress=progress,
        )

    def untile(
        self,
        target: str | Path,
        *,
        tiles: "Data | None" = None,
        match: Literal["id", "overlap"] = "id",
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "Conversion":
        """Put tiles together again: write their labels as labels of the images that they were cut from.

        Parameters
        ----------
        target, jobs, progress : see `Dataset`
        tiles : the dataset that `tile` wrote, if this one only has the names of its images; extensions may differ
        match : which segments of several tiles are one: ``id``: those with the same id; ``overlap``: those of one
            category with an IoU of at least 0.5 where their tiles overlap, for instances that a model predicted

        Pixels that two tiles share are divided in the middle. Raises SegdataError for images that are tiles of
        nothing known.
        """
        from segdata.api.edits import untile

        return untile(self, target, tiles=tiles, match=match, jobs=jobs, progress=progress)

    def remap(
        self,
        target: str | Path,
        mapping: str | Path | Mapping[str, str | None],
        *,
        copy_images: bool = False,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "Conversion":
        """Rename, join and drop categories, and write the result as a canonical dataset.

        `mapping`: old name -> new name, None: drop its segments; or a YAML file, as ``segdata taxonomy diff`` writes
        it. Categories that it does not name stay. `losses` of the result counts what was dropped and joined. Raises
        SegdataError for names that the data do not have.
        """
        from segdata.api.edits import remap

        return remap(self, target, mapping, copy_images=copy_images, jobs=jobs, progress=progress)

    def sample(
        self,
        target: str | Path | None,
        n: int,
        *,
        purpose: Literal["gold", "pilot"] = "gold",
        stratify: str | None = None,
        wanted: int = 30,
        seed: int = 0,
        copy_images: bool = False,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "SampleResult":
        """Draw `n` images, and write them with their labels as a canonical dataset.

        Parameters
        ----------
        target : see `Dataset`; None: write nothing
        n : how many images
        purpose : ``gold``: images that cover the categories, chosen greedily; ``pilot``: a random sample for `pilot`
        stratify : a column; each of its values gives its share of the images
        wanted : segments of each category that a gold set should have
        seed : random seed
        copy_images, jobs, progress : see `Dataset`

        Raises SegdataError for more images than there are, and for a column without values.
        """
        from segdata.api.split import draw_sample

        return draw_sample(
            self,
            target,
            n,
            purpose=purpose,
            stratify=stratify,
            wanted=wanted,
            seed=seed,
            copy_images=copy_images,
            jobs=jobs,
            progress=progress,
        )

    def draft(
        self,
        target: str | Path,
        method: str = "watershed",
        options: Mapping[str, Option] | None = None,
        *,
        category: str | None = None,
        taxonomy: str | Path | Taxonomy | None = None,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "DraftResult":
        """Draft labels for the images that nobody annotated, by classical methods, as a new canonical dataset.

        Parameters
        ----------
        target, jobs, progress : see `Dataset`
        method : ``threshold``, ``watershed``, ``superpixels`` (segments), or ``kmeans`` (classes of pixels)
        options : of the method, see `segdata.noise.drafting`
        category : of the segments; default: the taxonomy's only one, otherwise ``object``. The classes of ``kmeans``
            are called ``region_1`` (the darkest) and so on
        taxonomy : the categories, or their file

        Annotations have the source ``model`` and the stage ``drafted``. Images that cannot be decoded get none.
        Raises SegdataError for unknown methods and options, and if every image is annotated.
        """
        from segdata.api.draft import draft

        return draft(self, target, method, options, category=category, taxonomy=taxonomy, jobs=jobs, progress=progress)

    def draft_by_model(
        self,
        target: str | Path,
        *,
        precision: float = 0.9,
        work: str | Path | None = None,
        settings: "Settings | None" = None,
        jobs: int = 0,
        progress: Progress = no_progress,
        trained: "Callable[[StageProgress], None] | None" = None,
    ) -> "DraftResult":
        """Draft labels for the images that nobody annotated, by networks trained on the annotated ones.

        Parameters
        ----------
        target, jobs, progress : see `Dataset`
        precision : how often pixels (or instances) must be right. The confidence that this takes is measured on the
            annotated images, each predicted by a network that has not seen it, with 90 % confidence for each category;
            less certain pixels become void, and a category that never reaches it is not drafted
        work : a folder for networks and predictions, where a stopped run goes on; default: a temporary folder
        settings : of the training; `segdata.Settings`
        trained : called with the state of the training

        Raises SegdataError where every image is annotated, or none, or no file of the others is known.
        """
        from segdata.api.draft import draft_by_model

        return draft_by_model(
            self,
            target,
            precision=precision,
            work=work,
            settings=settings,
            jobs=jobs,
            progress=progress,
            trained=trained,
        )

    def draft_from(
        self, target: str | Path, *, confidence: float = 0.5, jobs: int = 0, progress: Progress = no_progress
    ) -> "DraftResult":
        """Make a draft of a model's predictions, which this dataset holds.

        Segments with a score below `confidence` become void where no other segment has their pixels; scores are kept.
        `target`, `jobs`, `progress`: see `Dataset`.
        """
        from segdata.api.draft import draft_from

        return draft_from(self, target, confidence=confidence, jobs=jobs, progress=progress)

    # Revisions of a canonical dataset

    def history(self) -> "HistoryResult":
        """The revisions of a canonical dataset, the first one first.

        ``segdata.read("DATA@r0001")`` opens one. Raises SegdataError for a dataset that is not canonical.
        """
        from segdata.api.revisions import history

        return history(self)

    def restore(self, revision: str) -> str:
        """Make an earlier revision current again; returns the one that was current.

        No revision is deleted. Open the dataset again to see the change. Raises SegdataError if there is no such
        revision, or its files are gone.
        """
        from segdata.api.revisions import restore

        return restore(self, revision)

    def prune(self, keep: int = 1, *, dry_run: bool = False) -> "PruneResult":
        """Delete all revisions except the last `keep` and the current one; this cannot be undone.

        `dry_run`: delete nothing, and return what would be deleted.
        """
        from segdata.api.revisions import prune

        return prune(self, keep, dry_run=dry_run)

    @property
    def review(self) -> "DatasetReview":
        """The commands of ``segdata review``: `decide`, `pull`, `apply`, `report`, `export` and `import_task`."""
        return DatasetReview(self)


@dataclass(frozen=True, slots=True)
class DatasetReview:
    """The review of a dataset: reviewers' decisions on findings, and tasks for annotation tools.

    Decisions are in a log beside the labels, which only grows.
    """

    dataset: EditableDataset

    def decide(self, decisions: Iterable[Decision]) -> int:
        """Append decisions to the log; returns how many of them are new.

        Raises SegdataError, and writes nothing, if one of them could not be read again.
        """
        from segdata.api.review import decide

        return decide(self.dataset, decisions)

    def pull(
        self,
        origin: Literal["fiftyone"] | str | Path,
        *,
        name: str | None = None,
        reviewer: str | None = None,
        adjudicates: bool = False,
    ) -> "PulledDecisions":
        """Append decisions that were made elsewhere to the log.

        Parameters
        ----------
        origin : ``fiftyone``; or a file: an export of the HTML report, another log, or a task with decisions that
            CVAT or Label Studio exported after `export`
        name : of the dataset in FiftyOne; default: as `browse` calls it
        reviewer : who decided, if the origin does not say
        adjudicates : these decisions settle what reviewers disagree on

        Raises SegdataError if the origin cannot be read.
        """
        from segdata.api.review import pull_decisions

        return pull_decisions(self.dataset, origin, name=name, reviewer=reviewer, adjudicates=adjudicates)

    def apply(self, *, dry_run: bool = False, progress: Progress = no_progress) -> "AppliedDecisions":
        """Carry out the decisions in a new revision of a canonical dataset; `dry_run`: change nothing.

        Accepted corrections and fixes are made, and rejected segments deleted. A decision about labels that have
        changed since is a conflict, and nothing is overwritten. What reviewers disagree on stays as it is. Calling it
        again changes nothing. Raises SegdataError if the dataset is not canonical, or another revision was made
        meanwhile.
        """
        from segdata.api.review import apply_decisions

        return apply_decisions(self.dataset, dry_run=dry_run, done=progress)

    def report(
        self, *, findings: Sequence[Finding] | None = None, earlier: Sequence[Finding] = (), jobs: int = 0
    ) -> "ProgressResult":
        """How far the review is: findings decided and open, reviewers, and how often each rule was right.

        `findings`: those to decide; None: those of `validate`. `earlier`: more findings, from reports that may be
        older than the labels.
        """
        from segdata.api.review import review_progress

        return review_progress(self.dataset, findings=findings, earlier=earlier, jobs=jobs)

    def export(
        self,
        findings: Sequence[Finding],
        to: Literal["cvat", "label-studio"],
        target: str | Path,
        *,
        prefix: str = "",
        copy_images: bool = False,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "Conversion":
        """Write a task for CVAT or Label Studio: the images with findings, their labels, and the findings as boxes.

        Parameters
        ----------
        findings : findings about no image are left out
        to : the tool
        target, copy_images, jobs, progress : see `Dataset`
        prefix : goes before the path of each image, for Label Studio

        ``labels.json`` beside a CVAT task lists the labels that the tool needs first. Raises SegdataError if no
        finding is about an image of the dataset, and for CVAT if an image has several annotations.
        """
        from segdata.api.review import export_findings

        return export_findings(
            self.dataset, findings, to, target, prefix=prefix, copy_images=copy_images, jobs=jobs, progress=progress
        )

    def import_task(self, file: str | Path, *, reviewer: str | None = None, dry_run: bool = False) -> "ImportedTask":
        """Take back what was redrawn in a task of `export`, as a new revision of a canonical dataset.

        Parameters
        ----------
        file : what CVAT or Label Studio exported
        reviewer : who drew; the annotations get the stage ``reviewed`` with this name, unless they are further
        dry_run : change nothing

        Only segments that differ from what was sent are taken. A segment that changed here meanwhile is a conflict,
        and nothing is overwritten. Raises SegdataError if nothing in the file was sent from this dataset.
        """
        from segdata.api.review import import_task

        return import_task(self.dataset, file, reviewer=reviewer, dry_run=dry_run)
