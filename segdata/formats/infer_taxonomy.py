"""Infer a taxonomy from the data itself, for a person to correct."""

from collections.abc import Container
from pathlib import Path

import msgspec

from segdata.core.config import Config, load_config
from segdata.core.errors import UnreadableError
from segdata.core.format import ReadRequest
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco import COCO_SORTS, find_documents
from segdata.formats.coco.document import read_document
from segdata.formats.coco.images import read_categories
from segdata.formats.masks import layers, probe_masks
from segdata.formats.masks.provisional import infer_mask_taxonomy
from segdata.formats.shared.mask_files import mask_headers
from segdata.formats.shared.pairing import Pairing, images_folder, pair_masks
from segdata.formats.shared.taxonomies import VOID_NAMES, find_colour_table, load_colour_table


def infer_taxonomy(
    root: Path, images: Path | None = None, config: Config | None = None, only: Container[str] | None = None
) -> Taxonomy:
    """Infer a taxonomy for the dataset at `root`, with the names of a colour table or COCO file, else `category_1` ….

    Colours or ids are those in the masks; each definition says how often they occur. Void is guessed from names, from
    the colour (224, 224, 192) and from the id 255; black or id 0 that covers most pixels of most masks is called
    background. `config` defaults to the segdata.yaml beside the data; `only` are the image_ids whose masks count, None:
    all. Raises UnreadableError if there is neither a mask nor a COCO file, or if the values are no categories.
    """
    if config is None:
        settings = root / "segdata.yaml"
        config = load_config(settings) if settings.is_file() else Config()
    described = _from_coco(root)
    if described is not None:
        return described
    if config.layers is not None:
        return layers.read(ReadRequest(root, images=images, config=config)).profile.taxonomy
    pairing = pair_masks(root, images_folder(ReadRequest(root, images=images, config=config)))
    masks = [mask for entry in pairing.entries if only is None or entry.image_id in only for mask in entry.files]
    if not masks:
        raise UnreadableError(f"{root}: no masks and no COCO file to draft a taxonomy from")
    _must_be_categories(root, masks, pairing)
    table = find_colour_table(root, masks[0].parent)
    named = load_colour_table(table) if table else None
    return infer_mask_taxonomy(masks, named)


def _from_coco(root: Path) -> Taxonomy | None:
    """The categories of the COCO files at `root`, the same in all that list any; None if no file lists any.

    Raises UnreadableError if they differ.
    """
    described: list[tuple[Path, Taxonomy]] = []
    for path in find_documents(root, *COCO_SORTS):
        taxonomy = read_categories(read_document(path, path.name), None).taxonomy
        if taxonomy.categories:
            described.append((path, taxonomy))
    if any(taxonomy != described[0][1] for _, taxonomy in described):
        listed = ", ".join(path.name for path, _ in described)
        raise UnreadableError(f"{root}: the categories of these COCO files differ, name one of them: {listed}")
    return _with_void(described[0][1]) if described else None


def _with_void(taxonomy: Taxonomy) -> Taxonomy:
    """The taxonomy with kind void for categories with such names, as COCO has no such kind."""
    categories = [
        msgspec.structs.replace(category, kind="void") if category.name.lower() in VOID_NAMES else category
        for category in taxonomy.categories
    ]
    return msgspec.structs.replace(taxonomy, categories=tuple(categories))


def _must_be_categories(root: Path, masks: list[Path], pairing: Pairing) -> None:
    """Raise UnreadableError, with the reason, if the values in the masks cannot be categories."""
    if not pairing.has_no_images and all(entry.image is None for entry in pairing.entries):
        reason = next(defect.message for defect in pairing.defects if defect.code == "SEG011")
        raise UnreadableError(f"{root}: {reason}; give the masks as DATA, and their images as --images")
    heads = mask_headers(masks)
    n_lossy = sum(head.lossy is not None for head in heads)
    if n_lossy:
        raise UnreadableError(
            f"{root}: {n_lossy:,} of {len(masks):,} files are JPEG: photographs, or masks whose values are lost; "
            "give the folder of the masks as DATA, or name the layers in segdata.yaml"
        )
    stored = sorted({"colours" if head.coloured else f"{'more than ' * (head.bits > 8)}8 bits" for head in heads})
    if len(stored) > 1:
        raise UnreadableError(
            f"{root}: the masks are stored in several ways ({', '.join(stored)}), as if labels, instance ids and "
            "pictures of them lie side by side; give a folder of one kind as DATA"
        )
    if stored == ["more than 8 bits"]:
        raise UnreadableError(
            f"{root}: {heads[0].encoding} masks hold ids of instances, not of categories; write in segdata.yaml "
            "`instance_ids: {category: nucleus}`"
        )
    if probe_masks(root) is None:
        raise UnreadableError(f"{root}: the files look like photographs: their values are no categories")
