"""Loss: what a target format cannot hold, declared by the format and counted in every conversion."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from segdata.core.counted import counted

Kind = Literal[
    "annotator",  # who drew what, and several annotators of one image
    "attributes",  # attributes of segments
    "annotation-attributes",  # attributes, stage, reviewer, created, seconds, coverage of annotations
    "category",  # the category itself
    "category-details",  # colours, parents, definitions … of the taxonomy
    "crowd",  # the crowd flag
    "empty-annotation",  # an annotated image without segments becomes "not annotated", or the reverse
    "empty-segment",  # segments without pixels
    "hole",  # holes of segments
    "image-details",  # sequence, frame, split, group, camera, timestamp, channels, roi, metadata of images
    "mapped",  # what a taxonomy map says to drop or to join: no fault of the format
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
    "undecided",  # what annotators do not agree on, where a consensus is made of their work
    "unlabelled",  # the difference between unlabelled and void or background
    "unreadable",  # what the source's files hold, but in a form that could not be read (see its findings)
    "void",
]
KINDS: frozenset[Kind] = frozenset(get_args(Kind))


@dataclass
class Loss:
    """How much of one kind was lost.

    Attributes
    ----------
    kind : one of `KINDS`
    count : how many segments, annotations or images are affected (`of` says which)
    pixels : how many pixels changed their meaning
    examples : the first few affected, as "image: segment id"
    images : in how many images; None where that is not known
    """

    kind: Kind
    of: str
    count: int = 0
    pixels: int = 0
    examples: list[str] = field(default_factory=list)
    images: int | None = None

    def __str__(self) -> str:
        pixels = f", {self.pixels:,} px" if self.pixels else ""
        shown = f" (e.g. {', '.join(self.examples)})" if self.examples else ""
        one = {"categories": "category", "taxonomies": "taxonomy", "pairs of segments": "pair of segments"}
        of = one.get(self.of, self.of.removesuffix("s"))
        there = self.images if self.of != "images" and self.images else None
        within = "" if there is None else f" in {counted(there, 'image')}"
        return f"{self.kind}: {self.count:,} {of if self.count == 1 else self.of}{within}{pixels}{shown}"


@dataclass(frozen=True, slots=True)
class Affected:
    """What a loss befalls: the first few as texts, and the images that all of it is on."""

    few: Sequence[str]
    images: Sequence[str]

    def __iter__(self) -> Iterator[str]:
        return iter(self.few)


class Losses:
    """Counts losses while a writer runs. Writers call `add`; nothing else does."""

    def __init__(self) -> None:
        self._by_kind: dict[tuple[Kind, str], Loss] = {}
        self._images: dict[tuple[Kind, str], set[str] | None] = {}  # None: those of some are not known

    def add(self, kind: Kind, of: str, count: int, pixels: int = 0, examples: Iterable[str] = ()) -> None:
        """Count `count` more (segments, annotations, images: `of`), `pixels` more, and keep the first 3 examples.

        Where these are `Affected`, images are counted too, each once however often it comes.
        """
        if count == 0 and pixels == 0:
            return
        if kind not in KINDS:
            raise ValueError(f"no such kind of loss: {kind!r}; one of {sorted(KINDS)}")
        loss = self._by_kind.setdefault((kind, of), Loss(kind, of))
        loss.count += count
        loss.pixels += pixels
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
        if names is not None and isinstance(examples, Affected):
            names.update(examples.images)
            loss.images = len(names)
        else:
            self._images[loss.kind, loss.of] = loss.images = None

    def listed(self) -> list[Loss]:
        """The losses, by kind."""
        return [self._by_kind[key] for key in sorted(self._by_kind)]
