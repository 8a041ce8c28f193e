"""dataset.yaml: the properties, origin, revisions and current revision of a canonical dataset."""

import datetime
import re
from pathlib import Path

import msgspec

from segdata.core import yaml_files
from segdata.core.atomic_files import write_whole
from segdata.core.config import Coverage, Overlap
from segdata.core.errors import SegdataError
from segdata.core.losses import Loss
from segdata.core.profile import Policy, Profile, RasterRule, Task
from segdata.core.taxonomy import Taxonomy

NAME = "dataset.yaml"
VERSION = 1


class DeclaredPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy, and whether it was declared or is the default of the source's format."""

    value: Coverage | Overlap | dict[str, Coverage]
    declared: bool


class Lost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One loss of a conversion, as in the file; see `segdata.core.losses.Loss`."""

    kind: str
    of: str
    count: int
    pixels: int = 0
    examples: tuple[str, ...] = ()

    @staticmethod
    def from_loss(loss: Loss) -> "Lost":
        """The loss in the form of the file."""
        return Lost(loss.kind, loss.of, loss.count, loss.pixels, tuple(loss.examples))


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The origin of the data: format, path, and losses."""

    format: str
    path: str
    lost: tuple[Lost, ...] = ()


class Revision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A state of the dataset: the folder's name, when it was made (UTC), from which, and how.

    `parts`: how many files of segments it has, so that a lost one is missed.
    """

    name: str
    created: datetime.datetime
    what: str
    parent: str | None = None
    parts: int | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The content of dataset.yaml. `segdata` is the version of the layout, not of the program."""

    segdata: int
    name: str
    task: Task
    coverage: DeclaredPolicy
    overlap: DeclaredPolicy
    raster_rule: RasterRule
    taxonomy_declared: bool
    origin: Origin
    revision: str
    revisions: tuple[Revision, ...]
    metadata: dict[str, str] = {}
    named_by_files: bool = False

    @property
    def current(self) -> Revision:
        """The entry of the current revision, or a blank one."""
        unknown = Revision(self.revision, now(), "unknown")
        return next((entry for entry in self.revisions if entry.name == self.revision), unknown)

    def at_revision(self, revision: str, root: Path) -> "Manifest":
        """The manifest with another current revision; raises SegdataError that lists the revisions."""
        names = [entry.name for entry in self.revisions]
        if revision not in names:
            raise SegdataError(f"{root}: has no revision {revision!r}; it has {', '.join(names)}")
        return msgspec.structs.replace(self, revision=revision)

    def profile(self, taxonomy: Taxonomy, root: Path) -> Profile:
        """The profile of the dataset."""
        return Profile(
            name=self.name,
            format="canonical",
            task=self.task,
            taxonomy=taxonomy,
            taxonomy_declared=self.taxonomy_declared,
            coverage=Policy(self.coverage.value, self.coverage.declared),  # type: ignore[arg-type]  # checked on load
            overlap=Policy(self.overlap.value, self.overlap.declared),  # type: ignore[arg-type]  # checked on load
            raster_rule=self.raster_rule,
            named_by_files=self.named_by_files,
            files=str(root),
            revision=self.revision,
            metadata=dict(self.metadata),
        )


def load(root: Path) -> Manifest:
    """The manifest of a canonical dataset; raises SegdataError with file, line and remedy."""
    manifest = yaml_files.load_yaml(root / NAME, Manifest)
    if manifest.segdata > VERSION:
        raise SegdataError(f"{root / NAME}: layout version {manifest.segdata} is newer than this segdata; update it")
    if not re.fullmatch(r"r\d+", manifest.revision):
        raise SegdataError(
            f"{root / NAME}: revision: {manifest.revision!r} is not a revision; they are called r0001, r0002 …"
        )
    if manifest.coverage.value in ("forbid", "allow", "same-category-forbid"):
        raise SegdataError(f"{root / NAME}: coverage: {manifest.coverage.value!r} is not 'exhaustive' or 'sparse'")
    if manifest.overlap.value not in ("forbid", "allow", "same-category-forbid"):
        raise SegdataError(
            f"{root / NAME}: overlap: {manifest.overlap.value!r} is not 'forbid', 'allow' or 'same-category-forbid'"
        )
    return manifest


def commit(root: Path, manifest: Manifest) -> None:
    """Make a revision current by atomically replacing dataset.yaml."""
    write_whole(root / NAME, yaml_files.dump_yaml(manifest))


def now() -> datetime.datetime:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
