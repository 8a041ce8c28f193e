"""An opened COCO document: what instances and panoptic files have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segdata.core.defect import Defect
from segdata.core.format import Request
from segdata.core.profile import Policy, Profile
from segdata.formats.coco.categories import Categories
from segdata.formats.coco.document import Document
from segdata.formats.coco.listing import Listing
from segdata.formats.coco.misnamed import misnamed_images
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.label_files import find_images, unlisted_images


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document, its images and its categories.

    Attributes
    ----------
    profile : of the dataset
    document, listing, categories, folder : its parts
    annotator : the name to give to the annotations
    """

    profile: Profile
    document: Document
    listing: Listing
    categories: Categories
    folder: ImageFolder
    annotator: str | None

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) file names below the images root."""
        return self.listing.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """What was met while opening."""
        return self.document.defects


def images_of_document(
    request: Request, document: Document, listing: Listing, masks: tuple[Path, ...] = ()
) -> ImageFolder:
    """Where the images are, `masks` being folders that hold none; image files that the document lacks are defects."""
    named = document.path, document.name, listing.image_ids, request.images
    folder, missing = find_images(*named, masks)
    if folder.root is None:
        folder, missing = misnamed_images(*named) or (folder, missing)
    document.defects.extend([*missing, *unlisted_images(document.path, folder, listing.image_ids)])
    return folder


def profile_of(request: Request, document: Document, categories: Categories, format: str) -> Profile:
    """What is known of the dataset: panoptic files label every pixel once, instances files what they like."""
    kept = {key: text for key in ("info", "licenses") if (text := document.small(key)) is not None}
    panoptic = format == "coco-panoptic"
    return Profile(
        name=request.root.name if request.root.is_dir() else request.root.stem,
        format=format,
        task="panoptic" if panoptic else "instance",
        taxonomy=categories.taxonomy,
        taxonomy_declared=categories.declared,
        coverage=Policy("exhaustive" if panoptic else "sparse"),
        overlap=Policy("forbid" if panoptic else "allow"),
        raster_rule="mask-native" if panoptic else "coco",
        files=document.path.as_posix(),
        metadata=kept | categories.metadata,
    )
