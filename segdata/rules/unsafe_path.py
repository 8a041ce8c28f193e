"""SEG015 unsafe-path: a path leaves the dataset."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG015", "unsafe-path", severity="error", needs=(), habit="image", per_image=True)
def unsafe_path(tables: Tables) -> Findings:
    r"""A path in the files leaves the dataset's root.

    Example:
        /images/3/file_name is '../../etc/passwd'
        /images/4/file_name is 'C:\data\a.jpg'

    Not flagged: paths of folders below the root. The file is not opened.

    Why: it does not exist on any other machine, and a dataset from elsewhere must not make a tool read or overwrite
    foreign files.

    Remedy: write paths below the root. If your images are elsewhere, name their folder with --images.
    """
    yield from reader_findings(tables, "SEG015")
