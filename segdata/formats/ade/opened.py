"""Opened: a dataset of ADE20K."""

from segdata.core.errors import check_choice
from segdata.core.format import ReadRequest
from segdata.core.profile import Policy, Profile
from segdata.formats.ade.listing import listing
from segdata.formats.ade.look import Look
from segdata.formats.shared.pairing import images_folder
from segdata.formats.shared.per_image import PerImageSource


def open_ade(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError where there are no masks, or nothing names their classes."""
    instances = str(request.options.get("instances", "yes"))
    check_choice("instances", instances, ("yes", "no"))
    found = listing(request.root, images_folder(request), request.taxonomy)
    categories = found.catalogue.categories
    profile = Profile(
        name=request.root.stem,
        format="ade20k",
        task="instance",
        taxonomy=categories.taxonomy,
        taxonomy_declared=True,
        coverage=Policy("sparse"),
        overlap=Policy("allow"),
        files=str(request.root),
        metadata=categories.metadata,
    )
    look = Look(request.root, found.catalogue, instances == "yes")
    return PerImageSource(request.root, profile, found.entries, found.defects, look, request.annotator, per_chunk=4)
