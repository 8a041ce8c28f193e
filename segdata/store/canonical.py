"""The canonical dataset: columns in Parquet, described in docs/canonical.md. It holds everything."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch, ReadRequest, Source
from segdata.core.losses import LossCounter, LossKind
from segdata.core.profile import Profile
from segdata.core.taxonomy import load_taxonomy
from segdata.store import manifest as manifests

if TYPE_CHECKING:
    from segdata.core.batch import Batch

ALIASES = ("segdata", "canonical-parquet")
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = frozenset()
READ_OPTIONS = {"revision": "the one to read, r0001 or earlier ones; default: the current one. DATA@r0001 is the same"}
WRITE_OPTIONS = {
    "made": "how the dataset came about, in a few words, for dataset.yaml; default: what it is converted from"
}


def detect(seen: FileProbe) -> FormatMatch | None:
    """A folder with dataset.yaml, taxonomy.yaml and tables; one of the three may be missing, which reading reports."""
    root = seen.root.parent if seen.root.name == manifests.NAME else seen.root
    evidence = [name for name in (manifests.NAME, "taxonomy.yaml") if (root / name).is_file()]
    evidence += [path.relative_to(root).as_posix() for path in sorted(root.glob("r[0-9]*/images.parquet"))[-1:]]
    return FormatMatch(1.0, " and ".join(evidence[:2]), whole=True) if len(evidence) > 1 else None


def read(request: ReadRequest) -> Source:
    """Open a revision of a canonical dataset, by default the current one."""
    from segdata.store.revision_reader import open_revision

    root = request.root.parent if request.root.name == manifests.NAME else request.root
    manifest = manifests.load(root)
    if "revision" in request.options:
        manifest = manifest.at_revision(str(request.options["revision"]), root)
    taxonomy = request.taxonomy or load_taxonomy(root / "taxonomy.yaml")
    return open_revision(root / manifest.revision, root, manifest.profile(taxonomy, root), manifest.current.parts or 0)


def write(
    profile: Profile, batches: "Iterable[Batch]", target: Path, losses: LossCounter, *, made: str | None = None
) -> None:
    """Write batches (images in ascending order of image_id) as a new dataset with the revision r0001."""
    from segdata.store.revision_writer import write_canonical

    write_canonical(profile, batches, target, losses, made)
