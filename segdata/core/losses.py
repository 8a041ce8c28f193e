"""Losses of a conversion: what a format cannot hold, by kind, counted while a writer runs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

import msgspec

from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Count

LOSSES_FILE = "losses.json"  # the certificate of a conversion, beside what it wrote

LossKind = Literal[
    "annotator",  # names of annotators, and several annotators of one image
    "attributes",  # attributes of segments
    "annotation-attributes",  # attributes, stage, reviewer, created, seconds, coverage of annotations
    "category",  # the category itself
    "category-details",  # colours, parents, definitions … of the taxonomy
    "crowd",  # the crowd flag
    "empty-annotation",  # an annotated image without segments becomes "not annotated", or the reverse
    "empty-segment",  # segments without pixels
    "hole",  # holes of segments
    "image-name",  # images whose names the format cannot hold, and their segments
    "image-details",  # sequence, frame, split, group, camera, timestamp, channels, roi, metadata of images
    "mapped",  # categories that a taxonomy map drops or joins
    "instance",  # which pixels belong to which instance of a category
    "overlap",  # pixels that several segments claim
    "part",  # parts of one segment become segments of their own
    "rings",  # the source's polygon vertices
    "score",  # scores of model output
    "secondary-categories",
    "segment-id",  # segment ids are renumbered
    "source",  # human or model
    "spatial",  # where pixels lie in the world: affine, spacing and header of volumes
    "track",  # which segments show the same object in the frames of a sequence, and which belong to no track
    "track-id",  # tracks are renumbered
    "undecided",  # pixels without a consensus of annotators
    "unlabelled",  # the difference between unlabelled and void or background
    "unreadable",  # labels of the source that could not be read (see its findings)
    "void",
]
LOSS_KINDS: frozenset[LossKind] = frozenset(get_args(LossKind))


class Loss(msgspec.Struct):
    """A loss of one kind: `count` is the number of what `of` names (segments, annotations, images).

    `pixels` is the number of pixels that changed their meaning. `images` is the number of images, null if not known.
    `examples` are the first few affected items, as "image: segment id". `columns` names the columns whose values are
    lost, for a kind with several, such as split and camera.
    """

    kind: LossKind
    of: str
    count: Count = 0
    pixels: Count = 0
    images: Count | None = None
    examples: list[str] = []
    columns: list[str] = []

    def __str__(self) -> str:
        summed = " summed over pairs" if self.of == "pairs of segments" and self.count > 1 else ""
        pixels = f", {self.pixels:,} px{summed}" if self.pixels else ""
        shown = f" (e.g. {', '.join(self.examples)})" if self.examples else ""
        singular = {"categories": "category", "taxonomies": "taxonomy", "pairs of segments": "pair of segments"}
        noun = singular.get(self.of, self.of.removesuffix("s"))
        there = self.images if self.of != "images" and self.images else None
        within = "" if there is None else f" in {count_noun(there, 'image')}"
        what = f"{self.kind} ({', '.join(self.columns)})" if self.columns else self.kind
        return f"{what}: {self.count:,} {noun if self.count == 1 else self.of}{within}{pixels}{shown}"


class AffectedItems(msgspec.Struct, frozen=True):
    """The items that a loss affects: the first few as texts, and the ids of all images that they are on."""

    few: Sequence[str]
    images: Sequence[str]

    def __iter__(self) -> Iterator[str]:
        return iter(self.few)


class LossCounter:
    """Counts losses while a writer runs. Writers call `add`; nothing else does."""

    def __init__(self) -> None:
        self._by_kind: dict[tuple[LossKind, str], Loss] = {}
        self._images: dict[tuple[LossKind, str], set[str] | None] = {}  # None: those of some are not known

    def add(
        self,
        kind: LossKind,
        of: str,
        count: int,
        pixels: int = 0,
        examples: Iterable[str] = (),
        columns: Iterable[str] = (),
    ) -> None:
        """Add to a kind of loss `count` segments, annotations or images (`of`), and `pixels`; keep 3 examples.

        `columns` names the lost columns of a kind that has several. With `AffectedItems` as examples, images are
        counted too, each image once. Raises ValueError if there is no such kind.
        """
        if count == 0 and pixels == 0:
            return
        if kind not in LOSS_KINDS:
            raise ValueError(f"no such kind of loss: {kind!r}; one of {sorted(LOSS_KINDS)}")
        loss = self._by_kind.setdefault((kind, of), Loss(kind, of))
        loss.count += count
        loss.pixels += pixels
        loss.columns += [name for name in columns if name not in loss.columns]
        self._count_images(loss, examples)
        for example in examples:
            if len(loss.examples) == 3:
                break
            loss.examples.append(example)

    def _count_images(self, loss: Loss, examples: Iterable[str]) -> None:
        """Count the images of what was added to a loss."""
        if loss.of == "images":
            loss.images = loss.count
            return
        names = self._images.setdefault((loss.kind, loss.of), set())
        if names is not None and isinstance(examples, AffectedItems):
            names.update(examples.images)
            loss.images = len(names)
        else:
            self._images[loss.kind, loss.of] = loss.images = None

    def listed(self) -> list[Loss]:
        """The losses, by kind."""
        return [self._by_kind[key] for key in sorted(self._by_kind)]


class LossError(SegdataError):
    """The target format cannot hold everything, and `on_loss` is ``error``. Nothing was written."""

    def __init__(self, losses: list[Loss]) -> None:
        super().__init__("the target format cannot hold: " + "; ".join(map(str, losses)))
        self.losses = losses
