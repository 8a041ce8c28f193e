"""Pairing: which mask belongs to which image, by name and never by order."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError
from segdata.core.format import Request
from segdata.core.splits import split_of
from segdata.formats.images import ImageFolder
from segdata.formats.masks.layout import Layout, layouts
from segdata.formats.masks.maskfile import n_pages
from segdata.formats.masks.maskindex import INDEX, has_index, indexed
from segdata.formats.masks.partner import banded, flat, match
from segdata.formats.perimage.entry import Entry, below

Bands = Mapping[str, Mapping[str, Path]]  # image -> band -> file


@dataclass(frozen=True, slots=True)
class Pairing:
    """The images of a dataset with their masks, and what is wrong with them.

    Attributes
    ----------
    entries : in the order of image ids
    defects : files that stay alone, and what else was met
    bare : there are no images
    places : the folders that were read, by what is in them
    """

    entries: tuple[Entry, ...]
    defects: tuple[Defect, ...]
    bare: bool = False
    places: dict[str, str] = field(default_factory=dict)


def paired(root: Path, images: Path | None = None, *, paged: bool = True) -> Pairing:
    """The images and masks of a dataset: by `images.csv` where our writers left one, else by layout and name.

    The bands of an image may be files of their own (`partner.banded`). What stays alone on either side is SEG011; when
    not one image is known that is a single finding. `paged`: each page of a TIFF is an image of its own; else they are
    the overviews of one.
    """
    if has_index(root):
        entries, defects = by_index(root, images)
        bare = bool(entries) and all(entry.image is None for entry in entries)
        return Pairing(tuple(entries), tuple(defects), bare)
    laid_out = layouts(root, images)
    found = [_laid_out(root, layout) for layout in laid_out]
    entries = [entry for pairing in found for entry in pairing.entries]
    defects = [defect for pairing in found for defect in pairing.defects]
    bare = all(pairing.bare for pairing in found)
    if entries and bare:
        defects.append(no_images(len(entries), root, images))
    elif entries:
        defects += [_bare_folder(root, pairing) for pairing in found if pairing.bare and pairing.entries]
    pages = _pages(entries) if paged else entries
    return Pairing(tuple(sorted(pages, key=lambda entry: entry.image_id)), tuple(defects), bare, _places(laid_out))


def _laid_out(root: Path, layout: Layout) -> Pairing:
    """The entries of one folder of masks and its folder of images."""
    masks, pictures = _files(layout.masks), _files(layout.images)
    if layout.images is None:
        masks, pictures = flat(masks)
    if not pictures:
        return Pairing(tuple(_entry(layout.prefix, name, None, path) for name, path in masks.items()), (), bare=True)
    bands = {
        name: {band: pictures.pop(file) for band, file in files.items()}
        for name, files in banded(masks, pictures).items()
    }
    pictures |= {name: next(iter(files.values())) for name, files in bands.items()}
    partner, twice = match(masks, pictures)
    if not partner:
        examples = f"{next(iter(masks))!r} and {next(iter(pictures))!r}"
        message = f"none of {len(masks)} masks has the name of one of {len(pictures)} images, as {examples}"
        defects = [Defect("SEG011", message, below(root, layout.masks))]
        return Pairing(tuple(_entry(layout.prefix, name, None, path) for name, path in masks.items()), tuple(defects))
    entries, defects = [], list(_bands_missing(root, layout.prefix, bands))
    for name, path in masks.items():
        file = below(root, path)
        if name in twice:
            message = f"a second mask of image {twice[name]!r}; the first one is read"
            defects.append(Defect("SEG008", message, file, image=layout.prefix + twice[name]))
            continue
        image = partner.get(name, name)
        entry = _entry(layout.prefix, image, pictures.get(image) if name in partner else None, path, bands.get(image))
        entries.append(entry)
        if entry.image is None:
            defects.append(Defect("SEG011", "a mask without image", file, image=entry.image_id))
    alone = pictures.keys() - set(partner.values())
    for name in sorted(alone):
        entries.append(_entry(layout.prefix, name, pictures[name], None, bands.get(name)))
        defects.append(
            Defect("SEG011", "an image without mask", below(root, pictures[name]), image=entries[-1].image_id)
        )
    return Pairing(tuple(entries), tuple(defects))


def _places(laid_out: list[Layout]) -> dict[str, str]:
    """Where the masks and the images were found."""
    masks = [layout.masks.as_posix() for layout in laid_out]
    images = [layout.images.as_posix() for layout in laid_out if layout.images is not None]
    return {what: ", ".join(folders) for what, folders in (("masks", masks), ("images", images)) if folders}


def _bare_folder(root: Path, pairing: Pairing) -> Defect:
    folder = pairing.entries[0].files[0].parent
    return Defect("SEG011", f"there are no images for these {len(pairing.entries)} masks", below(root, folder))


def _bands_missing(root: Path, prefix: str, bands: Bands) -> Iterator[Defect]:
    """SEG002 for a band that an image has not, and more than half of the others have."""
    counts = Counter(band for files in bands.values() for band in files)
    usual = [band for band, count in counts.items() if 2 * count > len(bands)]
    for name, files in bands.items():
        missing = [band for band in usual if band not in files]
        if missing:
            message = f"the image has no band {', '.join(missing)}, which others have"
            yield Defect("SEG002", message, below(root, next(iter(files.values()))), image=prefix + name)


def _entry(
    prefix: str, name: str, image: Path | None, mask: Path | None, bands: Mapping[str, Path] | None = None
) -> Entry:
    image_id = prefix + name
    channels = tuple({"uri": path.as_posix(), "name": band} for band, path in (bands or {}).items())
    masks = () if mask is None else (mask,)
    return Entry(image_id, image, masks, split=split_of(image_id), channels=channels or None)


def by_index(root: Path, images: Path | None) -> tuple[list[Entry], list[Defect]]:
    """The images of `images.csv`, and what is wrong with it: its lines, and the image files that are not here."""
    entries, defects = indexed(root, images)
    gone = [entry.image_id for entry in entries if entry.image is None]
    if gone and len(gone) == len(entries):
        return entries, [*defects, no_images(len(gone), root, images)]
    missing = [Defect("SEG002", f"image file {name!r} does not exist", INDEX, image=name) for name in gone]
    return entries, [*defects, *missing]


def no_images(n_images: int, root: Path, images: Path | None) -> Defect:
    """The one finding for a dataset none of whose image files is here."""
    message = f"none of the {n_images:,} image files is here (looked in {images or root}); give --images"
    return Defect("SEG002", message, severity="info")


def _files(place: Path | None) -> dict[str, Path]:
    if place is not None and place.is_file():
        return {place.name: place}
    return ImageFolder.below(place).paths


def _pages(entries: list[Entry]) -> Iterator[Entry]:
    """Each page of a stack of slices as an image of its own, `volume.tif/0007`."""
    for entry in entries:
        count = n_pages(entry.files[0]) if entry.files else 1
        if count == 1:
            yield entry
        else:
            volume = entry.image_id
            for page in range(count):
                yield replace(entry, image_id=f"{volume}/{page:04d}", page=page, sequence=volume, frame=page)


def images_of(request: Request) -> Path | None:
    """Where the user says the images are: on the command line, else in segdata.yaml (from the dataset's root)."""
    if request.images is not None:
        return request.images
    start = request.root if request.root.is_dir() else request.root.parent
    return None if request.config.images is None else start / request.config.images


def opened(request: Request) -> Pairing:
    """The entries that a request asks for; raises UnreadableError where there is neither a mask nor an index."""
    pairing = paired(request.root, images_of(request))
    if not pairing.entries and not has_index(request.root):
        raise UnreadableError(f"{request.root}: no mask files; a dataset has images/ and masks/, or is a mask folder")
    return pairing
