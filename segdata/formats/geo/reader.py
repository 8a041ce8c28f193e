"""GeoTIFF reader: rasters of labels and their images, whole or in windows."""

from segdata.core.format import ReadRequest
from segdata.core.profile import Policy, Profile, Task
from segdata.formats.geo.look import Looker
from segdata.formats.geo.meaning import band_of, rule_of, taxonomy_of, with_void
from segdata.formats.geo.opening import open_rasters
from segdata.formats.shared.per_image import PerImageSource

_PER_CHUNK = 2**25  # pixels of images that are loaded at once


def open_geotiff(request: ReadRequest) -> PerImageSource:
    """The rasters; raises UnreadableError where nothing says what values mean."""
    opened = open_rasters(request)
    band, config, heads = band_of(request), request.config.instance_ids, opened.heads.values()
    task: Task = "semantic"
    if config is None:
        given, declared = taxonomy_of(request, opened, band)
        taxonomy, void = with_void(given, heads)
        look = Looker(request.root, taxonomy, void, band)
    else:
        taxonomy, rule = rule_of(request, config, heads)
        declared = request.taxonomy is not None
        task = "panoptic" if {each.kind for each in taxonomy.categories} >= {"thing", "stuff"} else "instance"
        look = Looker(request.root, taxonomy, None, band, rule, config.background or 0)
    profile = Profile(
        name=request.root.stem,
        format="geotiff",
        task=task,
        taxonomy=taxonomy,
        taxonomy_declared=declared,
        coverage=Policy("exhaustive" if config is None else "sparse"),
        overlap=Policy("forbid"),
        files=str(request.root),
        places=opened.places,
    )
    largest = max((entry.record.n_pixels for entry in opened.entries if entry.record is not None), default=1)
    per_chunk = max(1, min(16, _PER_CHUNK // largest))
    return PerImageSource(
        request.root, profile, opened.entries, tuple(opened.defects), look, request.annotator, per_chunk=per_chunk
    )
