"""Fresh: a new canonical dataset, written from batches."""

from collections.abc import Iterable
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.loss import Losses
from segdata.core.profile import Profile
from segdata.core.taxonomy import dump_taxonomy
from segdata.store import manifest as manifests
from segdata.store.manifest import Decision, Lost, Manifest, Origin, Revision
from segdata.store.write import RevisionWriter, write_sequences


def write_canonical(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, made: str | None = None
) -> None:
    """Write batches (images in ascending order of image_id) as the revision r0001.

    `made`: how it came about, in a few words; default: what it is converted from.
    """
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
            revisions=(
                Revision(name, manifests.now(), made or f"converted from {profile.format}", parts=writer.n_parts),
            ),
            # Categories are stored by id: with them old names are gone.
            metadata={key: text for key, text in profile.metadata.items() if key != "aliases_used"},
        ),
    )


def _place(files: str) -> str:
    """What the data were read from, so that it means the same from any folder: an absolute POSIX path, or a URI."""
    return files if not files or "://" in files else Path(files).absolute().as_posix()
