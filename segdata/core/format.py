"""Formats: what a format file offers, and how formats are found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from segdata.core.config import Config, Option, nearest
from segdata.core.errors import SegdataError, UnknownFormatError
from segdata.core.glance import Glance
from segdata.core.loss import KINDS, Kind
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.core.defect import Defect
    from segdata.core.runs import Ints


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks a reader for.

    Attributes
    ----------
    root : the file or folder named on the command line
    taxonomy : the user's, or the one that lies beside the data; None: the format's own, or none
    images : where the image files are, when not in the place that the layout says
    config : segdata.yaml
    annotator : the name to give to annotations that have none
    explicit : the user named the format: what the data look like is no reason to refuse it
    options : the format's own options, by the names in its `READ_OPTIONS`
    """

    root: Path
    taxonomy: Taxonomy | None = None
    images: Path | None = None
    config: Config = field(default_factory=Config)
    annotator: str | None = None
    explicit: bool = False
    options: Mapping[str, Option] = field(default_factory=dict)


class Source(Protocol):
    """An opened dataset: its images are listed, and any of them can be loaded, in any order, from any thread.

    A source may also have a method `files(row)`: the files that `load` reads for one image and for no other. Then only
    the images whose files have changed are loaded again by a validation that remembers the last one.
    """

    @property
    def profile(self) -> Profile:
        """What is known about the dataset as a whole."""

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) in the order of the source; a duplicate id is listed as often as it occurs."""

    @property
    def defects(self) -> Sequence["Defect"]:
        """What was met while opening, before any image."""

    def chunks(self) -> list["Ints"]:
        """Rows of `image_ids` in portions that are good to load at once: some ten thousand segments, or a few masks."""

    def load(self, rows: "Ints") -> "Batch":
        """The images at these rows of `image_ids`, decoded, in that order."""


@dataclass(frozen=True, slots=True)
class Clue:
    """Why a format thinks that a dataset is its own.

    `score` in (0, 1]: 1 for a file that can be nothing else. `evidence`: in words, for the user. `whole`: so is the
    folder, whatever lies in it: images may be volumes or rasters, which by themselves are datasets too.
    """

    score: float
    evidence: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """A format, as its file describes it.

    Attributes
    ----------
    name : as on the command line
    summary : the first line of the file's docstring
    text : the file's docstring: what is read and written, and where the encoding is specified
    losses : what it cannot hold
    detect : looks at names and headers only; None when it is not this format
    read : opens a dataset
    write : takes a profile, batches, the target and the loss counter, and each of `write_options` by keyword; None for
        a format that is only read. The target does not exist before, and what a failed writer leaves there is deleted
        by the caller.
    read_options, write_options : the format's own options, each with a line for the help
    file_suffixes : the target may be a file with one of these, ``(".json",)``; else it is a folder
    checked : the programs and specifications that its tests compare with
    image_of : where the format's own programs look for the image of a mask: both as paths below the target, the image
        without extension; None: in the folder ``images``, or nowhere
    arrange : instead of `image_of`: moves the copies of images from the target's folder ``images`` to where they are
        looked for, and tells in sentences which have no place there
    """

    name: str
    summary: str
    text: str
    losses: frozenset[Kind]
    detect: Callable[[Glance], Clue | None]
    read: Callable[[Request], Source]
    write: Callable[..., None] | None
    read_options: Mapping[str, str] = field(default_factory=dict)
    write_options: Mapping[str, str] = field(default_factory=dict)
    file_suffixes: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    image_of: Callable[[str], str] | None = None
    arrange: Callable[[Path], tuple[str, ...]] | None = None

    def is_file(self, target: Path) -> bool:
        """Whether this format writes `target` as one file."""
        return target.suffix.lower() in self.file_suffixes

    def check_options(self, given: Mapping[str, Option], what: str) -> None:
        """Raise SegdataError for an option that the format does not have; `what` is "read" or "write"."""
        known = self.read_options if what == "read" else self.write_options
        for name in given:
            if name not in known:
                listed = f"; it has {', '.join(known)}" if known else "; it has none"
                hint = nearest(name, list(known)) or listed
                raise SegdataError(f"{self.name} has no {what} option {name!r}{hint}")


def _format(name: str, module: ModuleType) -> Format:
    losses: Any = getattr(module, "LOSSES", None)  # Any: a plugin may offer anything
    if not isinstance(losses, frozenset) or not losses <= KINDS:
        raise SegdataError(f"format {name}: LOSSES must be a frozenset of {sorted(KINDS)}, it is {losses!r}")
    text = (module.__doc__ or name).strip()
    return Format(
        name,
        text.splitlines()[0],
        text,
        losses,
        module.detect,
        module.read,
        getattr(module, "write", None),
        getattr(module, "READ_OPTIONS", {}),
        getattr(module, "WRITE_OPTIONS", {}),
        getattr(module, "FILE_SUFFIXES", ()),
        getattr(module, "CHECKED", ()),
        getattr(module, "image_of", None),
        getattr(module, "arrange", None),
    )


@cache
def formats() -> dict[str, Format]:
    """Every installed format by name, ours and those of plugins (entry points `segdata.formats`)."""
    found = {}
    for point in sorted(entry_points(group="segdata.formats"), key=lambda point: point.name):
        try:
            found[point.name] = _format(point.name, point.load())
        except (ImportError, AttributeError) as error:
            raise SegdataError(f"format {point.name} ({point.value}) cannot be loaded: {error}") from error
    return found


def format_named(name: str) -> Format:
    """The format of this name; raises SegdataError with the nearest known one, or all of them."""
    known = formats()
    if name not in known:
        hint = nearest(name, list(known)) or f"; known: {', '.join(known)}"
        raise SegdataError(f"no format is called {name!r}{hint}")
    return known[name]


def detect(root: Path) -> str:
    """The name of the format that a dataset is in.

    Raises UnknownFormatError when there is no candidate, and SegdataError when the best two are within 10 %: then all
    are listed with their evidence and the user is asked for `--from`.
    """
    if not root.exists():
        raise SegdataError(f"{root}: does not exist")
    if root.is_dir() and not any(root.iterdir()):
        raise SegdataError(f"{root}: is empty")
    seen = Glance(root)
    clues = [(name, clue) for name, each in formats().items() if (clue := each.detect(seen)) is not None]
    clues.sort(key=lambda item: (-item[1].score, item[0]))
    if not clues:
        raise UnknownFormatError(f"{root}: no known format recognises this")
    whole = [name for name, clue in clues if clue.whole]
    if len(whole) == 1:
        return whole[0]
    if len(clues) > 1 and clues[1][1].score > 0.9 * clues[0][1].score:
        listed = "; ".join(f"{name}: {clue.evidence}" for name, clue in clues)
        raise SegdataError(f"{root}: more than one format fits, choose with --from ({listed})")
    return clues[0][0]
