"""Dataset: an opened dataset, the base of `segdata.Dataset`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.config import Config
from segdata.core.errors import SegdataError, count_noun, missing_extra
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect
from segdata.core.format import Source
from segdata.core.paths import split_from_path
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.schema import runs_to_rle
from segdata.core.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd

    from segdata.core.label_maps import LabelMaps
    from segdata.core.torch_dataset import TrainingData


class EmptySource(msgspec.Struct, frozen=True):
    """A source without images: of a taxonomy alone, or of a dataset that was sent elsewhere without its source."""

    profile: Profile
    image_ids: Sequence[str] = ()
    defects: Sequence[Defect] = ()

    def chunks(self) -> list[Ints]:
        """No portions."""
        return []

    def load(self, rows: Ints) -> Batch:
        """An empty batch; raises ValueError if `rows` is not empty."""
        if len(rows):
            raise ValueError(f"{len(rows)} images are asked for, and this source has none")
        return Batch.empty()


class Recipe(msgspec.Struct, frozen=True):
    """The way in which a source was opened, with which another process can open it again."""

    source: Source  # the opened source; a dataset with another source was altered since
    open: "Callable[[], OpenDataset]"  # opens it again; it can be pickled


def recipe_of(data: "OpenDataset") -> "Callable[[], OpenDataset]":
    """A function that opens a dataset's source in another process.

    Raises SegdataError for one that only this process has: in memory, or altered since it was opened.
    """
    if data.recipe is None or data.recipe.source is not data.source:
        raise SegdataError(
            f"{data.profile.files or 'the dataset'}: it is in memory or was altered, and workers cannot open it; "
            "write it with `convert` first"
        )
    return data.recipe.open


@dataclass(frozen=True)
class OpenDataset:
    """An opened dataset: images of a source, with the dataset's profile and configuration.

    `segdata.Dataset` adds the commands. ``for batch in dataset`` iterates over the pixels, in
    portions of many images; ``len(dataset)`` counts images. `images`, `annotations` and `segments` are pandas tables,
    made in one pass when you first use one of them; the tables of a `Batch` are pyarrow tables.
    """

    source: Source  # as opened by the format's reader
    profile: Profile  # of the dataset, with the settings of the configuration
    config: Config  # segdata.yaml
    rows: Ints | None = None  # (n_images,) the rows of the source's images that belong to it; None: all
    # how another process opens the same source; None: it cannot
    recipe: "Recipe | None" = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.source.image_ids) if self.rows is None else len(self.rows)

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def __repr__(self) -> str:
        profile = self.profile
        images, categories = count_noun(len(self), "image"), count_noun(len(self.taxonomy.categories), "category")
        return f"Dataset({profile.files!r}: {profile.format}, {profile.task}, {images}, {categories})"

    @property
    def is_part(self) -> bool:
        """Whether some of the source's images are left out."""
        return len(self) < len(self.source.image_ids)

    @property
    def taxonomy(self) -> Taxonomy:
        """The categories."""
        return self.profile.taxonomy

    @property
    def source_rows(self) -> Ints:
        """(n_images,) the row in the source of each image."""
        return np.arange(len(self.source.image_ids)) if self.rows is None else self.rows

    @property
    def image_ids(self) -> list[str]:
        """The images, in the order of the source."""
        every = self.source.image_ids
        return list(every) if self.rows is None else [every[row] for row in self.rows]

    def chunks(self) -> list[Ints]:
        """Rows of the source's images, in portions of a size that is efficient to load."""
        portions = self.source.chunks()
        if self.rows is None:
            return portions
        kept = (portion[np.isin(portion, self.rows)] for portion in portions)
        return [portion for portion in kept if len(portion)]

    def sorted_chunks(self) -> list[Ints]:
        """The same number of portions, with the images in ascending order of image_id."""
        rows = self.source_rows
        ids = np.array(self.source.image_ids, dtype=object)[rows]
        order = rows[np.argsort(ids, kind="stable")]
        return [portion for portion in np.array_split(order, max(len(self.chunks()), 1)) if len(portion)]

    def batches(self, jobs: int = 0, *, in_order: bool = False) -> Iterator[Batch]:
        """The dataset's batches, loaded by `jobs` threads (0: one per core).

        `in_order`: images in ascending order of image_id; else in the order of the source.
        """
        return run_ordered(self.source.load, self.sorted_chunks() if in_order else self.chunks(), jobs)

    @property
    def images(self) -> "pd.DataFrame":
        """One row per image, as a pandas table.

        Columns: image_id, source_id, uri, channels, width, height, sha256, sequence, frame, split, group, camera,
        timestamp, roi (COCO counts; none: the whole image) and metadata (name -> JSON text).
        """
        return self._tables[0]

    @property
    def annotations(self) -> "pd.DataFrame":
        """One row per annotation, as a pandas table.

        Columns: image_id, annotator, source (human, model or consensus), stage, reviewer, created, seconds (of work),
        coverage, attributes, encoding (of the mask file) and file.
        """
        return self._tables[1]

    @property
    def segments(self) -> "pd.DataFrame":
        """One row per segment, as a pandas table.

        Columns: image_id, annotator, segment_id, source_id (of the file, where that is no number), category_id,
        `category` (its name), also (further category ids), area in pixels, `counts` (the pixels as COCO's compressed
        RLE, which pycocotools takes as it is), iscrowd, track_id, score, source, rings (the file's polygons),
        attributes, declared_area and declared_bbox (as the file says), file, and place in it.
        """
        return self._tables[2]

    def maps(self, annotator: str | None = None, *, split: str | None = None) -> "LabelMaps":
        """The labels as arrays, image by image: the class of each pixel, and the segments.

        Parameters
        ----------
        annotator : whose labels; None: the first annotation of each image
        split : only the images of this split, such as ``train``, by the column `split` of `images`, or else by a
            folder in the image's path; None: all images

        All labels stay in memory, compressed. Raises SegdataError, with the known splits, if no image is in `split`.
        """
        from segdata.core.label_maps import LabelMaps

        return LabelMaps.from_batches(self if split is None else self._split_batches(split), self.taxonomy, annotator)

    def torch(
        self,
        *,
        split: str | None = None,
        annotator: str | None = None,
        images: bool = True,
        masks: bool = False,
        ignore: int = 255,
        transform: Callable[[dict[str, Any]], Any] | None = None,  # Any: tensors, and what the user makes of them
    ) -> "TrainingData":
        """The images and labels as a `torch.utils.data.Dataset`; each item is a dict.

        Parameters
        ----------
        split, annotator : as for `maps`
        images : read the image files, as ``image`` (channels, height, width), with the dtype of the file
        masks : also give a mask for each segment, as ``masks`` (n, height, width)
        ignore : the value in ``semantic`` (height, width) of pixels that have no class: not labelled, or void
        transform : called with each item; what it returns becomes the item

        Items also have ``image_id``, ``instances`` (height, width), ``classes`` and ``crowd``. The classes are numbered
        from 0 in the order of the taxonomy, without those of kind void; `categories` are their names. Class weights for
        a loss are in the table of `info`, one row per category::

            train = dataset.torch(split="train")
            table = dataset.info().table().set_index("name")
            weight = torch.tensor([table["weight"][name] for name in train.categories], dtype=torch.float32)
            loss = torch.nn.CrossEntropyLoss(weight=weight, ignore_index=255)

        ``weight`` is the inverse square root of a category's frequency; ``weight_inverse``, ``weight_median`` and
        ``weight_effective`` are alternatives. Raises SegdataError where PyTorch is not installed.
        """
        try:
            from segdata.core.torch_dataset import TrainingData
        except ModuleNotFoundError as error:
            raise missing_extra("PyTorch", "torch", error) from error
        return TrainingData(
            self.maps(annotator, split=split), images=images, masks=masks, ignore=ignore, transform=transform
        )

    def _split_batches(self, split: str) -> Iterator[Batch]:
        """The batches with only the images of one split; raises SegdataError if there are none."""
        names: set[str] = set()
        for batch in self:
            columns = (batch.images[name].to_pylist() for name in ("image_id", "split"))
            splits = [stored or split_from_path(image_id) for image_id, stored in zip(*columns, strict=True)]
            names.update(filter(None, splits))
            rows = np.array([row for row, name in enumerate(splits) if name == split], np.int64)
            if len(rows):
                yield batch.take_images(rows)
        if split not in names:
            hint = f"the splits are {', '.join(sorted(names))}" if names else "no image has one; make it with `split`"
            raise SegdataError(f"{self.profile.files}: no image is in the split {split!r}; {hint}")

    @cached_property
    def _tables(self) -> tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame"]:
        """The tables of images, annotations and segments, made in one pass since all are decoded together."""
        images, annotations, segments = [], [], []
        for batch in chain([Batch.empty()], self):  # so that every column is there, without images too
            images.append(batch.images)
            annotations.append(_with_image_id(batch.annotations.drop_columns("image"), batch, batch.annotation_image))
            segments.append(self._segments(batch))
        return _frame(images), _frame(annotations), _frame(segments)

    def _segments(self, batch: Batch) -> pa.Table:
        """The segments of a batch with columns from their annotations, images, runs and the taxonomy."""
        rows = batch.segments.drop_columns("annotation")
        category = rows["category_id"].combine_chunks().dictionary_encode()
        names = pa.array([self.profile.name_of(id_) for id_ in category.dictionary.to_pylist()], pa.string())
        index = rows.schema.get_field_index("category_id") + 1
        rows = rows.add_column(index, "category", names.take(category.indices))
        rows = rows.append_column("annotator", batch.annotations["annotator"].take(batch.segments["annotation"]))
        rows = rows.append_column("area", pa.array(batch.runs.areas(batch.n_segments)))
        rows = rows.append_column("counts", runs_to_rle(batch.runs, *batch.segment_size))
        return _with_image_id(rows, batch, batch.segment_image)


def _with_image_id(rows: pa.Table, batch: Batch, image: Ints | np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.Table:
    """`rows` with the image_id of each as the first column."""
    return rows.add_column(0, "image_id", batch.images["image_id"].take(pa.array(image)))


def _frame(tables: list[pa.Table]) -> "pd.DataFrame":
    """The tables as one pandas table."""
    return pa.concat_tables(tables).to_pandas()  # type: ignore[no-any-return]  # pyarrow has no types
