"""Profile: the properties of a dataset as a whole, and the videos and volumes that its images belong to."""

from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from segdata.core.config import Config, Coverage, Overlap
from segdata.core.safe_text import stored_json
from segdata.core.taxonomy import Id as CategoryId
from segdata.core.taxonomy import Taxonomy

SequenceKind = Literal["video", "volume"]


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """A video or a volume.

    Attributes
    ----------
    name : as in the images' column `sequence`
    kind : video or volume
    affine : 4 x 4, row by row: voxel indices (i, j, k) of centres to millimetres; None: not known
    axes : where i, j and k point to, three letters (``"RAS"``); None: not known
    spacing : millimetres between centres along i, j and k; None: not known
    dtype : of the values in the source's file
    header : the source's header, byte by byte, so that the same file can be written again
    """

    name: str
    kind: SequenceKind = "video"
    affine: tuple[float, ...] | None = None
    axes: str | None = None
    spacing: tuple[float, float, float] | None = None
    dtype: str | None = None
    header: bytes | None = field(default=None, repr=False)

    @property
    def is_placed(self) -> bool:
        """Whether its place in the world is known, or the header of its file."""
        return self.affine is not None or self.spacing is not None or self.header is not None


def has_videos(profile: "Profile") -> bool:
    """Whether images of a dataset are frames of videos."""
    return any(sequence.kind == "video" for sequence in profile.sequences)


def has_volumes(profile: "Profile") -> bool:
    """Whether images of a dataset are slices of volumes."""
    return any(sequence.kind == "volume" for sequence in profile.sequences)


def has_sequences(profile: "Profile") -> bool:
    """Whether images of a dataset are frames of videos or slices of volumes."""
    return bool(profile.sequences)


Task = Literal["semantic", "instance", "panoptic"]
RasterRule = Literal["coco", "centre-evenodd", "pil", "cv2", "mask-native"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy(Generic[T]):
    """A policy for coverage or overlap. `declared`: a person wrote it down; else it is the format's default."""

    value: T
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """The properties of a dataset as a whole.

    Attributes
    ----------
    name : for reports
    format : the name of the format it is read from
    task : decides which rules apply
    taxonomy : the categories
    taxonomy_declared : a person gave the taxonomy; else the reader made it up from the data
    named_by_files : files name the categories that were looked at (layers), so others were not asked for
    coverage : whether unlabelled pixels are a finding; per category it never is
    overlap : whether segments of one annotation may share pixels
    raster_rule : how polygons became pixels
    files : what the dataset was read from, for messages (a path or URI)
    sequences : the videos and volumes that images are part of, as far as anything is known about them
    by : the column by which statistics are grouped, as `segdata.core.strata` names columns; None: none
    places : where its masks, images and other files were found, ``{"masks": "drive/1st_manual", "images":
        "drive/images"}``
    revision : of a canonical dataset, the one that was read; it says nothing about the labels
    provisional : how values are read for want of a taxonomy or setting, and what to do, a sentence; None: a taxonomy
        or the format itself says what they mean
    drafted : the settings of segdata.yaml that the reader assumed, for want of others
    """

    name: str
    format: str
    task: Task
    taxonomy: Taxonomy
    taxonomy_declared: bool
    coverage: Policy[Coverage | dict[str, Coverage]]
    overlap: Policy[Overlap]
    raster_rule: RasterRule = "mask-native"
    named_by_files: bool = False
    files: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    by: str | None = None
    places: dict[str, str] = field(default_factory=dict)
    sequences: tuple[ImageSequence, ...] = ()
    revision: str | None = field(default=None, compare=False)
    provisional: str | None = field(default=None, compare=False)
    drafted: dict[str, Any] = field(default_factory=dict, compare=False)  # Any: YAML

    def __repr__(self) -> str:
        return f"Profile({self.name!r}: {self.format}, {self.task}, {len(self.taxonomy.categories)} categories)"

    def under(self, config: Config) -> "Profile":
        """The profile with the policies of the configuration, which override dataset.yaml and the format's default."""
        coverage, overlap = self.coverage, self.overlap
        if config.coverage is not None:
            coverage = Policy(config.coverage, declared=True)
        if config.overlap is not None:
            overlap = Policy(config.overlap, declared=True)
        return replace(self, coverage=coverage, overlap=overlap, by=config.group_by or config.by or self.by)

    @property
    def unknown_names(self) -> dict[int, str]:
        """The names of categories of the source that the taxonomy lacks, by the ids that the reader gave them."""
        return stored_json(self.metadata.get("unknown_categories"), dict[CategoryId, str]) or {}

    @property
    def free_category(self) -> int:
        """An id above the ids of all categories, in the taxonomy or only in the source."""
        return max([0, *(category.id for category in self.taxonomy.categories), *self.unknown_names]) + 1

    @property
    def aliases_used(self) -> dict[str, int]:
        """The aliases that the source uses for categories, and the ids of these categories."""
        return stored_json(self.metadata.get("aliases_used"), dict[str, CategoryId]) or {}

    def name_of(self, id_: int) -> str:
        """The name of the category with this id, in the taxonomy or else in the source; the id itself if unknown."""
        return self.unknown_names.get(id_) or self.taxonomy.name_of(id_)

    @property
    def is_exhaustive(self) -> bool:
        """Whether every pixel is expected to be labelled."""
        return self.coverage.value == "exhaustive"
