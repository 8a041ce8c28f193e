"""Listing: the images of ADE20K below a folder, and what must be known of all of them before any is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import split_from_path
from segdata.core.taxonomy import Taxonomy
from segdata.formats.ade.catalogue import Catalogue, Names
from segdata.formats.ade.files import SEG, Files, files_of
from segdata.formats.ade.note import Notes
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import has_index, no_images_defect, read_index
from segdata.formats.shared.per_image import ImageEntry, relative_path


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a dataset.

    Attributes
    ----------
    entries : in the order of image ids; the record of an annotated one is its `Files`
    catalogue : the categories
    defects : what is wrong with the files
    """

    entries: tuple[ImageEntry, ...]
    catalogue: Catalogue
    defects: tuple[Defect, ...]


def listing(root: Path, images: Path | None, given: Taxonomy | None) -> Listing:
    """The images at `root`; `images` and `given` are the user's folder of images and taxonomy.

    Raises UnreadableError where there are no masks, or nothing names their classes.
    """
    every = files_of(root)
    rows, defects = read_index(root, images) if has_index(root) else ([], [])
    if not every and not has_index(root):
        raise UnreadableError(f"{root}: no masks of ADE20K (X{SEG} beside X.jpg, with X.json or X_atr.txt)")
    if given is None and every and all(files.text is None for files in every):
        raise UnreadableError(
            f"{root}: neither .json nor _atr.txt files name the classes; write taxonomy.yaml with their indices as ids"
        )
    of_mask = {_stem(row.files[0], root): row for row in rows if row.files}
    pictures = {PurePosixPath(name).with_suffix("").as_posix(): name for name in ImageFolder.below(images).paths}
    names, entries = Names(), []
    for files in every:
        if rows and files.seg is None:
            continue  # images.csv has it
        notes = files.notes(root)
        names.add(notes, relative_path(root, files.text) if files.text else "")
        entries.append(_entry(files, notes, of_mask.get(files.stem), images, pictures))
        if files.seg is None and files.image is not None:
            message = f"an image without {Path(files.stem).name}{SEG}"
            defects.append(Defect("SEG011", message, relative_path(root, files.image), image=entries[-1].image_id))
    entries += [row for row in rows if not row.files]
    entries.sort(key=lambda entry: entry.image_id)
    missing = [entry for entry in entries if entry.image is None]
    if entries and len(missing) == len(entries):
        defects.append(no_images_defect(len(entries), root, images))
    else:
        message = "the image file does not exist"
        defects += [Defect("SEG002", message, entry.image_id, image=entry.image_id) for entry in missing]
    return Listing(tuple(entries), names.catalogue(given), (*defects, *names.defects))


def _entry(
    files: Files, notes: Notes, row: ImageEntry | None, images: Path | None, pictures: Mapping[str, str]
) -> ImageEntry:
    """The image of some files; images.csv goes before what names tell."""
    record = files if files.seg else None
    if row is not None:
        return replace(row, files=(files.seg,) if files.seg else (), record=record, metadata=notes.metadata)
    stem = PurePosixPath(files.stem)
    image, name = files.image, files.stem + (files.image.suffix if files.image else "")
    if images is not None and files.stem in pictures:
        image, name = images / pictures[files.stem], pictures[files.stem]
    elif image is None:
        named = (
            notes.filename if notes.filename and PurePosixPath(notes.filename).stem == stem.name else stem.name + SEG
        )
        name = stem.with_name(PurePosixPath(named).name).as_posix()
    split = split_from_path(stem.as_posix())
    files_ = (files.seg,) if files.seg else ()
    return ImageEntry(name, image, files_, record, split=split, metadata=notes.metadata)


def _stem(mask: Path, root: Path) -> str:
    return mask.relative_to(root).as_posix().removesuffix(SEG) if mask.is_relative_to(root) else mask.as_posix()
