"""The canonical dataset: columns in Parquet, described in docs/canonical.md. It holds everything."""

from collections.abc import Iterable
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.core.taxonomy import dump_taxonomy, load_taxonomy
from segdata.store import manifest as manifests
from segdata.store.manifest import Decision, Lost, Manifest, Origin, Revision
from segdata.store.source import CanonicalSource
from segdata.store.write import RevisionWriter, write_sequences

LOSSES: frozenset[Kind] = frozenset()


def detect(seen: Glance) -> Clue | None:
    """A folder with dataset.yaml, taxonomy.yaml and tables; one of the three may be lost, which reading then says."""
    root = seen.root.parent if seen.root.name == manifests.NAME else seen.root
    found = [name for name in (manifests.NAME, "taxonomy.yaml") if (root / name).is_file()]
    found += [path.relative_to(root).as_posix() for path in sorted(root.glob("r[0-9]*/images.parquet"))[-1:]]
    return Clue(1.0, " and ".join(found[:2])) if len(found) > 1 else None


def read(request: Request) -> CanonicalSource:
    """Open the current revision of a canonical dataset."""
    root = request.root.parent if request.root.name == manifests.NAME else request.root
    manifest = manifests.load(root)
    taxonomy = request.taxonomy or load_taxonomy(root / "taxonomy.yaml")
    return CanonicalSource(
        root / manifest.revision, root, manifest.profile(taxonomy, root), manifest.current.parts or 0
    )


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write batches (images in ascending order of image_id) as a new dataset with the revision r0001."""
    name = "r0001"
    target.mkdir(parents=True, exist_ok=True)
    with RevisionWriter(target / name, target) as writer:
        for batch in batches:
            writer.add(batch)
    write_sequences(target / name, profile.sequences)
    manifests.write_whole(target / "taxonomy.yaml", dump_taxonomy(profile.taxonomy))
    manifests.commit(
        target,
        Manifest(
            segdata=manifests.VERSION,
            name=profile.name,
            task=profile.task,
            coverage=Decision(profile.coverage.value, profile.coverage.declared),
            overlap=Decision(profile.overlap.value, profile.overlap.declared),
            raster_rule=profile.raster_rule,
            taxonomy_declared=profile.taxonomy_declared,
            origin=Origin(profile.format, _place(profile.files), tuple(Lost.of_loss(loss) for loss in losses.listed())),
            revision=name,
            revisions=(Revision(name, manifests.now(), f"converted from {profile.format}", parts=writer.n_parts),),
            metadata=profile.metadata,
        ),
    )


def _place(files: str) -> str:
    """What the data were read from, so that it means the same from any folder: an absolute POSIX path, or a URI."""
    return files if not files or "://" in files else Path(files).absolute().as_posix()
