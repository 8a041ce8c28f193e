"""An opened YouTube-VIS document: its tracks joined to videos, frame by frame as COCO's annotations."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import ImageSequence
from segdata.formats.coco.document import Document, DocumentKind, read_document
from segdata.formats.coco.images import truth_categories
from segdata.formats.coco.instances_reader import join_annotations
from segdata.formats.shared.derived_sources import AlteredSource, with_origin
from segdata.formats.shared.label_files import find_images
from segdata.formats.shared.per_image import relative_path
from segdata.formats.youtube.tracks import SegmentItems, read_tracks
from segdata.formats.youtube.videos import Videos, read_videos

_EXPECTED = "an object with videos, annotations and categories, or a list of results"
DOCUMENT = DocumentKind("a YouTube-VIS document", _EXPECTED)
RESULTS = DocumentKind("a list of YouTube-VIS results", _EXPECTED, "annotations")


def open_document(request: ReadRequest, path: Path, name: str) -> AlteredSource:
    """Open the document at `path`, or a list of results; `name` is how defects call it.

    Raises UnreadableError where nothing tells the videos of results.
    """
    document = read_document(path, name, RESULTS)
    is_results = set(document.parts or {}) == {"annotations"}
    if not is_results:
        document = replace(document, kind=DOCUMENT)
    truth = _truth(request, path) if is_results else document
    videos = read_videos(truth)
    categories = truth_categories(truth, request.taxonomy)
    # The documents of test sets have no annotations at all: nobody drew on their videos.
    annotated = bytes((document.parts or {}).get("annotations", b"null")) != b"null"
    tracks = read_tracks(document, videos, categories) if annotated else SegmentItems()
    folder, missing = find_images(truth.path, truth.name, videos.listing.image_ids, request.images)
    opened = join_annotations(request, document, tracks, videos.listing, categories, folder, "youtube-vis")
    document.defects.extend([*(truth.defects if is_results else ()), *missing])
    names = dict.fromkeys(film.sequence for film in videos.films.values())
    sequences = tuple(ImageSequence(name) for name in names if name is not None)
    opened = replace(opened, profile=replace(opened.profile, sequences=sequences))
    unnamed = folder.paths.keys() - set(videos.listing.image_ids)
    source = AlteredSource(opened, partial(_framed, videos, annotated), _unnamed(name, len(unnamed)))
    return with_origin(source, "model") if is_results else source


def _truth(request: ReadRequest, path: Path) -> Document:
    """The document that lists the videos and categories of results."""
    named = request.options.get("truth")
    if named is None:
        raise UnreadableError(
            f"{path}: results name videos and categories by id alone; say which those are: --read-option "
            "truth=FILE.json (the ground truth)"
        )
    truth = Path(str(named))
    found = read_document(truth, relative_path(request.root, truth), DOCUMENT)
    if found.parts is None or "videos" not in found.parts:
        raise UnreadableError(f"{truth}: lists no videos, so it is no ground truth (the option truth)")
    return found


def _unnamed(document: str, n_images: int) -> tuple[Defect, ...]:
    """SEG011, as an information: videos often have more frames than are annotated."""
    message = f"{n_images:,} image files are no frames of its videos"
    return (Defect("SEG011", message, document, severity="info"),) if n_images else ()


def _framed(videos: Videos, annotated: bool, batch: Batch) -> Batch:
    """The batch with the sequences of its images, and without annotations that nobody made."""
    names = batch.images["image_id"].to_pylist()
    films = [videos.films[name] for name in names]
    images = batch.images
    for column in ("sequence", "frame", "split"):
        images = replace_column(images, column, [getattr(film, column) for film in films])
    alone = np.array([not annotated or name in videos.unannotated for name in names], bool)
    kept = ~alone[batch.annotation_image]
    # A frame that is said to be unannotated and yet has segments is annotated.
    kept[batch.segment_annotation] = True
    number = (np.cumsum(kept) - 1).astype(np.int32)
    return replace(
        batch,
        images=images,
        annotations=batch.annotations.filter(pa.array(kept)),
        segments=replace_column(batch.segments, "annotation", number[batch.segment_annotation]),
    )
