"""Face: what both formats of DICOM objects say of themselves, and how they are told."""

from segdata.core.format import FileProbe, FormatMatch, LossKind
from segdata.formats.medical.dicom.kinds import INDEX, kind_of_head

LOSSES: frozenset[LossKind] = frozenset(
    {
        "annotation-attributes",
        "attributes",
        "crowd",
        "empty-segment",
        "image-details",
        "instance",
        "rings",
        "score",
        "secondary-categories",
        "segment-id",
        "source",
    }
)


def clue(seen: FileProbe, format: str, kinds: tuple[str, ...], what: str) -> FormatMatch | None:
    """A DICOM file whose head says that it is of one of these kinds, or our index where nobody drew anything."""
    found = [name for name in seen.names if kind_of_head(seen.head(name)[:512]) in kinds]
    if found:
        return FormatMatch(1.0, f"{found[0]} is a DICOM {what}")
    alone = INDEX in seen.names and f'"format": "{format}", "files": []'.encode() in seen.head(INDEX)
    return FormatMatch(1.0, f"{INDEX} is that of a dataset without a {what}") if alone else None
