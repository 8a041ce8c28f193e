"""Formats: the description of a format, and the detection of the format of a dataset."""

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from segdata.core.config import Config, Option, did_you_mean
from segdata.core.errors import AmbiguousFormatError, SegdataError, UnknownFormatError
from segdata.core.finding import Defect
from segdata.core.lazy_loading import entry_points, loading_plugin
from segdata.core.losses import LOSS_KINDS, LossKind
from segdata.core.memo import keep_results
from segdata.core.paths import is_unsafe_path, visible_folders
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy

if TYPE_CHECKING:
    from segdata.core.batch import Batch
    from segdata.core.runs import Ints


HEAD_BYTES = 1 << 16  # of a file that detection reads
_MAX_FILES_OF_SUFFIX = 64  # in one folder
_MAX_FOLDERS = 400  # on one level
_MAX_DEPTH = 6  # of folders below the root


class FileProbe:
    """The names and first bytes of the files in a dataset, without reading all of it.

    Folders are listed breadth first, a few hundred on each level, so that datasets with a folder for each image are
    listed to their full depth. Of the files with the same suffix in one folder, the first few by name are
    kept, so that a `data.yaml` is seen among a hundred thousand images.

    Attributes
    ----------
    root : the file or folder named by the user
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._heads: dict[str, bytes] = {}

    @cached_property
    def names(self) -> list[str]:
        """The files as POSIX paths below the root; if the root is a file, its name."""
        if self.root.is_file():
            return [self.root.name]
        names: list[str] = []
        level = [""]
        for _ in range(_MAX_DEPTH):
            below: list[str] = []
            for folder in level[:_MAX_FOLDERS]:
                files, folders = _list_folder(self.root / folder)
                names += [folder + name for name in files]
                below += [f"{folder}{name}/" for name in folders]
            level = below
        return names

    def path(self, name: str) -> Path:
        """The path of a name in `names`."""
        return self.root if self.root.is_file() else self.root / name

    def matching(self, pattern: str) -> list[str]:
        """The names in which a regular expression is found, case ignored."""
        expression = re.compile(pattern, re.IGNORECASE)
        return [name for name in self.names if expression.search(name)]

    def head(self, name: str) -> bytes:
        """The first 64 KiB of a file, without a byte order mark; empty where it cannot be read."""
        if name not in self._heads:
            self._heads[name] = b""
            with suppress(OSError), self.path(name).open("rb") as file:
                self._heads[name] = file.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
        return self._heads[name]

    def heads(self, pattern: str, expression: bytes, most: int = 8) -> list[str]:
        """The names, among the first `most` that match `pattern`, whose head matches a regular `expression`."""
        return [name for name in self.matching(pattern)[:most] if re.search(expression, self.head(name))]


def _list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The files (the first few of each suffix) and the folders in a folder, both sorted, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            every = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError:
        return [], []
    n_seen: dict[str, int] = {}
    files = []
    for name, is_folder in every:
        if not is_folder:
            suffix = name.rpartition(".")[2].lower()
            n_seen[suffix] = n_seen.get(suffix, 0) + 1
            if n_seen[suffix] <= _MAX_FILES_OF_SUFFIX:
                files.append(name)
    return files, visible_folders(name for name, is_folder in every if is_folder)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The request to a reader: the dataset to open, and the options for it.

    Attributes
    ----------
    root : the file or folder named on the command line
    taxonomy : the user's, or the one that lies beside the data; None: the format's own, or none
    images : where the image files are, if not where the layout puts them
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

    A source may also have a method `files(row)`, which returns the files that `load` reads for one image only: then a
    repeated validation loads only images whose files have changed. And it may have a method `detached()`, which returns
    a `Detached` or None: then other processes need not open the whole dataset.
    """

    @property
    def profile(self) -> Profile:
        """The properties of the dataset as a whole."""

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) in the order of the source; a duplicate id is listed as often as it occurs.

        A source that computes the list keeps it: callers ask for it image by image.
        """

    @property
    def defects(self) -> Sequence["Defect"]:
        """The defects found while the dataset was opened, before any image is loaded."""

    def chunks(self) -> list["Ints"]:
        """Rows of `image_ids` in portions of an efficient size: some ten thousand segments, or a few masks."""

    def load(self, rows: "Ints") -> "Batch":
        """The images at these rows of `image_ids`, decoded, in that order."""


class PortionReader(Protocol):
    """Decodes portions of a source in another process, which has not opened the source."""

    def load(self, portion: Any) -> "Batch":  # Any: what `Detached.cut` gives
        """The images of the portion, as the source would load them.

        Raises SegdataError or OSError if the files that hold them have changed since the source was opened.
        """


class Detached(msgspec.Struct, frozen=True):
    """A source in two parts: one is sent to other processes once, the other with each portion."""

    reader: PortionReader  # can be pickled; made for all portions
    # rows of images -> what else `reader` needs to load them: their own rows, and places in files; can be pickled
    cut: "Callable[[Ints], Any]"  # Any: each reader has its own


def detach(source: Source) -> Detached | None:
    """Detach a source; None if other processes must open the dataset themselves."""
    method: Callable[[], Detached | None] | None = getattr(source, "detached", None)
    return None if method is None else method()


class FormatMatch(msgspec.Struct, frozen=True):
    """The evidence that a dataset has a format.

    `score` in (0, 1]: 1 for a file that can have no other format. `evidence`: in words, for the user. `whole`: the
    format claims the whole folder, even if files in it, such as volumes or rasters, are datasets by themselves.
    """

    score: float
    evidence: str
    whole: bool = False


_MAX_NAME_BYTES = 255  # of a file name, on nearly every file system
_NO_STEM = re.compile(r"(?:^|/)\.{2,}[^./]*$")  # as ..png, which has no extension
_HIDDEN = re.compile(r"(?:^|/)\.[^/]*$")


class NameLimits(msgspec.Struct, frozen=True):
    r"""The names of images that a format can write; images with other names are counted as lost, with their segments.

    `forbidden`: a regular expression for what names must not contain; ``r"(?<!\.png)$"`` allows only names that end in
    .png. `files`: files are named after images, with up to `suffix` bytes instead of the extension. `separator`:
    replaces slashes of the image's name in file names; None: the files are in folders. `hidden`: names may begin with a
    dot.
    """

    forbidden: str = r"[\r\n]"
    files: bool = True
    suffix: int = 24
    separator: str | None = None
    hidden: bool = True

    def why_not(self, name: str) -> str | None:
        """The reason, in words, why the format cannot write an image of this name; None if it can."""
        if is_unsafe_path(name):
            return "a name that leads out of the dataset"
        if self.forbidden and (match := re.search(self.forbidden, name)):
            return f"a name with {match[0]!r}" if match[0] else f"a name that fits {self.forbidden!r}"
        if not self.files:
            return None
        if _NO_STEM.search(name):
            return "nothing is left of the name without its extension"
        if not self.hidden and _HIDDEN.search(name):
            return "a hidden file"
        path = name if self.separator is None else name.replace("/", self.separator)
        *folders, last = path.split("/")
        parts = (*folders, last, last.rpartition(".")[0] + self.suffix * "x")
        is_long = max(len(part.encode()) for part in parts) > _MAX_NAME_BYTES
        return f"a name of more than {_MAX_NAME_BYTES} bytes" if is_long else None


# Names stand inside of a document; files have them; they stand in lists of files too, a line each.
DOCUMENT_NAMES, FILE_NAMES, LISTED_NAMES = NameLimits("", files=False), NameLimits("\r", suffix=12), NameLimits()


@dataclass(frozen=True, slots=True)
class Format:
    """The description of a format, made from its module.

    Attributes
    ----------
    name : as on the command line
    summary : the first line of the file's docstring
    text : the file's docstring: what is read and written, and where the encoding is specified
    losses : what it cannot hold
    detect : looks at names and headers only; None when it is not this format
    read : opens a dataset
    write : takes a profile, batches, the target and the loss counter, and each of `write_options` by keyword; None for
        a format that is only read. The target must not exist; the caller deletes what a failed writer leaves there
    read_options, write_options : the format's own options, each with a line for the help
    file_suffixes : the target may be a file with one of these, ``(".json",)``; else it is a folder
    checked : the programs and specifications that its tests compare with
    image_of : where the format's own programs look for the image of a mask: both as paths below the target, the image
        without extension, or None for one that stays; None: in the folder ``images``, or nowhere
    list_documents : the files in a folder each of which is a dataset of this format by itself: where their names
        differ in the split alone, they are read as one dataset; None: the format's reader reads whatever is in a folder
    arrange : instead of `image_of`: moves the copies of images from the target's folder ``images`` to where they are
        looked for, and tells in sentences which have no place there
    aliases : other names of it, such as ``("coco",)``; case and punctuation do not matter
    names : which names of images it can write
    family : an alias of another format; a reader that is asked for that name opens this format where only it fits
    """

    name: str
    summary: str
    text: str
    losses: frozenset[LossKind]
    detect: Callable[[FileProbe], FormatMatch | None]
    read: Callable[[ReadRequest], Source]
    write: Callable[..., None] | None
    read_options: Mapping[str, str] = field(default_factory=dict)
    write_options: Mapping[str, str] = field(default_factory=dict)
    file_suffixes: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    image_of: Callable[[str], str | None] | None = None
    arrange: Callable[[Path], tuple[str, ...]] | None = None
    aliases: tuple[str, ...] = ()
    family: str | None = None
    list_documents: Callable[[Path], list[Path]] | None = None
    names: NameLimits = LISTED_NAMES

    def is_file(self, target: Path) -> bool:
        """Whether this format writes `target` as one file."""
        return target.suffix.lower() in self.file_suffixes

    def check_options(self, given: Mapping[str, Option], what: str) -> None:
        """Raise SegdataError for options that the format does not have; `what` is "read" or "write"."""
        options = self.read_options if what == "read" else self.write_options
        for name in given:
            if name not in options:
                listed = f"; it has {', '.join(options)}" if options else "; it has none"
                hint = did_you_mean(name, list(options)) or listed
                raise SegdataError(f"{self.name} has no {what} option {name!r}{hint}")


def _format(name: str, module: ModuleType) -> Format:
    losses: Any = getattr(module, "LOSSES", None)  # Any: a plugin may offer anything
    if losses is None and module.__spec__ is not None and module.__spec__.origin is None:
        raise ValueError(f"{next(iter(module.__path__))} is a folder without code, and comes before the module")
    if not isinstance(losses, frozenset) or not losses <= LOSS_KINDS:
        raise ValueError(f"LOSSES must be a frozenset of {sorted(LOSS_KINDS)}, it is {losses!r}")
    text = (module.__doc__ or name).strip()
    return Format(
        name=name,
        summary=text.splitlines()[0],
        text=text,
        losses=losses,
        detect=module.detect,
        read=module.read,
        write=getattr(module, "write", None),
        read_options=getattr(module, "READ_OPTIONS", {}),
        write_options=getattr(module, "WRITE_OPTIONS", {}),
        file_suffixes=getattr(module, "FILE_SUFFIXES", ()),
        checked=getattr(module, "CHECKED", ()),
        image_of=getattr(module, "image_of", None),
        arrange=getattr(module, "arrange", None),
        aliases=getattr(module, "ALIASES", ()),
        family=getattr(module, "FAMILY", None),
        list_documents=getattr(module, "list_documents", None),
        names=getattr(module, "NAMES", LISTED_NAMES),
    )


@cache
def formats() -> dict[str, Format]:
    """Every installed format by name, ours and those of plugins (entry points `segdata.formats`)."""
    installed = {}
    for point in sorted(entry_points(group="segdata.formats"), key=lambda point: point.name):
        with loading_plugin(point, "format"):
            installed[point.name] = _format(point.name, point.load())
    return installed


def format_names() -> list[str]:
    """The names of all installed formats, without loading them."""
    return sorted({point.name for point in entry_points(group="segdata.formats")})


def find_format(name: str, root: Path | None = None) -> Format:
    """The format of this name or alias, in any case: ``coco``, ``YOLOv8``, ``pascal_voc``.

    `root` is a dataset to read: it decides between formats of a family that share an alias. Raises
    SegdataError with the nearest known name.
    """
    installed = formats()
    if name in installed:
        return installed[name]
    asked = _plain_name(name)
    named = [format_ for format_ in installed.values() if _plain_name(format_.name) == asked]
    named = named or [format_ for format_ in installed.values() if asked in map(_plain_name, format_.aliases)]
    if len(named) > 1:
        raise SegdataError(f"format {name!r} may be any of {', '.join(format_.name for format_ in named)}; name one")
    if named:
        return named[0] if root is None else _fitting_format(named[0], asked, root)
    name_of = {_plain_name(word): word for format_ in installed.values() for word in (format_.name, *format_.aliases)}
    near = difflib.get_close_matches(asked, list(name_of), n=1) if asked else []
    hint = f"; did you mean {name_of[near[0]]!r}?" if near else "; `segdata formats` lists all formats"
    raise SegdataError(f"unknown format {name!r}{hint}")


def _fitting_format(main: Format, asked: str, root: Path) -> Format:
    """The format of a family that fits a dataset best, or `main`, the owner of the alias, if no other fits better."""
    members = [main, *(other for other in formats().values() if other.family and _plain_name(other.family) == asked)]
    if len(members) == 1 or not root.exists():
        return main
    probe = FileProbe(root)
    scores = [0.0 if (clue := member.detect(probe)) is None else clue.score for member in members]
    return members[scores.index(max(scores))]


def _plain_name(name: str) -> str:
    """A name without case and punctuation.

    >>> _plain_name("Pascal_VOC")
    'pascalvoc'
    """
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@keep_results()
def detect(root: Path, seen: FileProbe | None = None) -> str:
    """Detect the format of a dataset, by name; `seen` is a probe of its files, if there is one.

    Raises UnknownFormatError if no format fits, and AmbiguousFormatError if the scores of the best two are within 10 %:
    the message lists all with their evidence and asks for `--from`.
    """
    if not root.exists():
        raise SegdataError(f"{root}: does not exist")
    if root.is_dir() and not any(root.iterdir()):
        raise SegdataError(f"{root}: is empty")
    seen = seen or FileProbe(root)
    clues = [(name, clue) for name, candidate in formats().items() if (clue := candidate.detect(seen)) is not None]
    clues.sort(key=lambda item: (-item[1].score, item[0]))
    if not clues:
        raise UnknownFormatError(f"{root}: no known format fits")
    whole = [name for name, clue in clues if clue.whole]
    if len(whole) == 1:
        return whole[0]
    if len(clues) > 1 and clues[1][1].score > 0.9 * clues[0][1].score:
        listed = ", ".join(f"--from {name} ({clue.evidence})" for name, clue in clues)
        names = tuple(name for name, _ in clues)
        raise AmbiguousFormatError(f"{root}: more than one format fits, choose one: {listed}", names)
    return clues[0][0]
