"""Location: which file a finding is shown at by programs that know files and lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from urllib.parse import quote

from segdata.core.finding import Finding


@dataclass(frozen=True, slots=True)
class Site:
    """Where a dataset lies, for reports that name files.

    Attributes
    ----------
    data : the dataset, as the user named it
    is_folder : whether that is a folder; the files of findings are below it, or else beside it
    here : the folder that paths are relative to, where they lie below it
    images : image_id -> its file, as far as one is known
    """

    data: Path
    is_folder: bool
    here: Path
    images: Mapping[str, str] = field(default_factory=dict)

    def file(self, finding: Finding) -> str:
        """The file of a finding, else the dataset itself."""
        below = self.data if self.is_folder else self.data.parent
        return self.path(self.data if finding.file is None else below / finding.file)

    def image(self, finding: Finding) -> str | None:
        """The image file of a finding; the image's id where no file is known; None for the dataset."""
        if finding.image is None:
            return None
        known = self.images.get(finding.image)
        return finding.image if known is None or "://" in known else self.path(Path(known))

    def path(self, file: Path) -> str:
        """A file as a POSIX path, relative to `here` where it lies below it."""
        absolute = normpath((self.here / file).as_posix())
        here = normpath(self.here.as_posix()).rstrip("/") + "/"
        return absolute.removeprefix(here)


def uri(path: str) -> str:
    """A POSIX path as a URI reference.

    >>> uri("a b/ä.png"), uri("/data/a.png")
    ('a%20b/%C3%A4.png', 'file:///data/a.png')
    """
    quoted = quote(path.encode("utf-8", "surrogateescape"))
    return f"file://{quoted}" if path.startswith("/") else quoted
