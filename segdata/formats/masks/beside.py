"""Beside: the files that go with written masks, so that they read back by themselves."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from segdata.core import yamlfile
from segdata.core.config import Config, InstanceIds, Option
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy, dump_taxonomy


def write_beside(
    target: Path,
    profile: Profile,
    taxonomy: Taxonomy,
    instance_ids: InstanceIds | None = None,
    options: Mapping[str, Option] | None = None,
) -> None:
    """Write `taxonomy.yaml`, and `segdata.yaml` where something is declared.

    `instance_ids` and `options` of the format are what reading needs to know.
    """
    (target / "taxonomy.yaml").write_text(dump_taxonomy(taxonomy), encoding="utf-8")
    config = Config(
        coverage=profile.coverage.value if profile.coverage.declared else None,
        overlap=profile.overlap.value if profile.overlap.declared else None,
        instance_ids=instance_ids,
        options=dict(options or {}),
    )
    said = msgspec.to_builtins(config, str_keys=True)
    if said:
        lines = [yamlfile.flow({key: value})[1:-1] + "\n" for key, value in said.items()]
        (target / "segdata.yaml").write_text("".join(lines), encoding="utf-8")
