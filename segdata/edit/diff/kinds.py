"""Kinds of difference between two datasets, A and B."""

from typing import Literal, get_args

Kind = Literal[
    "image-missing",
    "image-added",
    "image-size",
    "image-details",
    "spatial",
    "annotation-missing",
    "annotation-added",
    "empty-annotation",
    "annotator",
    "annotation-attributes",
    "segment-missing",
    "segment-added",
    "pixels",
    "category",
    "category-pixels",
    "crowd",
    "track",
    "score",
    "source",
    "attributes",
    "secondary-categories",
    "category-missing",
    "category-added",
    "category-renamed",
    "category-details",
    "segment-id",
    "rings",
    "rings-missing",
    "rings-added",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What may change without anything being drawn, called or said otherwise: counted only, unless it is asked for.
QUIET: frozenset[Kind] = frozenset({"segment-id", "rings", "rings-missing", "rings-added"})
SUMMARIES: dict[Kind, str] = {
    "image-missing": "images of A that B lacks",
    "image-added": "images of B that A lacks",
    "image-size": "images of another size, whose segments are not compared",
    "image-details": "sequence, frame, split, group, camera, time, region of interest or metadata of images",
    "spatial": "where the voxels of volumes lie in the world",
    "annotation-missing": "annotations (all that one annotator drew on an image) that B lacks",
    "annotation-added": "annotations (all that one annotator drew on an image) that A lacks",
    "empty-annotation": "images annotated without any segment on one side, not annotated on the other",
    "annotator": "annotations by another annotator",
    "annotation-attributes": "source, stage, reviewer, times, coverage or attributes of annotations",
    "segment-missing": "segments of A that nothing in B resembles",
    "segment-added": "segments of B that nothing in A resembles",
    "pixels": "segments with other pixels",
    "category": "segments of another category",
    "category-pixels": "annotations with pixels that have other categories",
    "crowd": "segments that are a crowd on one side only",
    "track": "segments of another track",
    "score": "segments with another score",
    "source": "segments made by another source (human or model)",
    "attributes": "segments with other attributes",
    "secondary-categories": "segments with other secondary categories",
    "category-missing": "categories of A that B lacks",
    "category-added": "categories of B that A lacks",
    "category-renamed": "categories with the same id and another name",
    "category-details": "categories with another id, kind, colour, parent or guideline",
    "segment-id": "segments with another id",
    "rings": "segments with other polygon vertices",
    "rings-missing": "segments whose polygon vertices B lacks",
    "rings-added": "segments whose polygon vertices A lacks",
}


def unit(kind: Kind) -> str:
    """What differences of a kind are counted in.

    >>> unit("image-size"), unit("category-pixels"), unit("category-missing"), unit("category")
    ('image', 'annotation', 'category', 'segment')
    """
    named = {"spatial": "volume", "annotator": "annotation", "empty-annotation": "annotation", "category": "segment"}
    if kind in named:
        return named[kind]
    first = kind.partition("-")[0]
    return (
        "annotation"
        if kind == "category-pixels"
        else first
        if first in ("image", "annotation", "category")
        else "segment"
    )
