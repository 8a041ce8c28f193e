"""Where the masks of a COCO panoptic document are."""

from collections.abc import Sequence

from segdata.core.defect import Defect
from segdata.core.unsafe import is_unsafe
from segdata.formats.coco.document import Document
from segdata.formats.shared.images import ImageFolder


def find_masks(document: Document, names: Sequence[str]) -> ImageFolder:
    """The folder of the document's name, as COCO has it, or the document's own, whichever has any of the masks.

    Where none of the masks is here, that is one defect, not one a mask; a name that leads out of it is SEG015.
    """
    for i, name in enumerate(names):
        if is_unsafe(name):
            message = f"path {name!r} leaves the dataset's root; name masks below it"
            document.defects.append(Defect("SEG015", message, document.name, f"/annotations/{i}/file_name"))
    own = document.path.with_suffix("")
    for place in (own, document.path.parent):
        masks = ImageFolder.below(place)
        if not masks.paths.keys().isdisjoint(names):
            return masks
    if names:
        message = f"none of the {len(names):,} masks is here (looked in {own.as_posix()} and {own.parent.as_posix()})"
        document.defects.append(Defect("SEG002", message, document.name))
    return ImageFolder(None)


def orphan_masks(document: Document, masks: ImageFolder, names: Sequence[str]) -> list[Defect]:
    """SEG011 for every mask file without an entry, where the folder is the document's alone."""
    if masks.root is None or masks.root != document.path.with_suffix(""):
        return []
    message = f"mask that {document.name} does not name"
    return [Defect("SEG011", message, f"{masks.root.name}/{name}") for name in sorted(masks.paths.keys() - set(names))]
