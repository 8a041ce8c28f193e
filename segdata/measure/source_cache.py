"""Source cache: open and measure only the parts of a dataset that have changed since the last run."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

import segdata
from segdata.core.atomic_files import unique_token
from segdata.core.batch import Batch
from segdata.core.config import Config, Option
from segdata.core.executor import n_threads
from segdata.core.finding import Defect, Finding
from segdata.core.format import Detached, ReadRequest, Source, detach
from segdata.core.profile import Profile
from segdata.core.rule import Family, Rule, Tables
from segdata.core.rule_runner import find_by_rule
from segdata.core.rule_settings import configured_options
from segdata.core.runs import Ints
from segdata.measure import cache
from segdata.measure.cache import CacheEntry, FileListing, hash_file, interleave_measured
from segdata.measure.measure import (
    GatheredTables,
    MeasuredTables,
    complete_tables,
    gather_measured,
    measure_chunks,
    provided_columns,
    retain_sequences,
    with_unmeasured,
)
from segdata.measure.stored_tables import StoredTables

# Settings that do not affect reading: changing them needs no new measurement.
_JUDGING = ("coverage", "overlap", "select", "ignore", "severity", "rules", "overrides", "suppress", "by", "group_by")
_IN_THE_KEY = ("segdata.yaml", "taxonomy.yaml")  # their settings for reading are part of the entry's key
MIN_SECONDS = 1.0  # seconds that measuring takes before its result is kept
_MAX_FOLDER_FILES = 1_000_000  # in a folder; more are not listed, and nothing is kept
_FEW_FILES = 20_000  # beside a dataset of one file, and one more for each 500 bytes of it


def cache_folder() -> Path:
    """The folder of the cache: SEGDATA_CACHE_DIR, else the user's cache directory."""
    import platformdirs

    return Path(os.environ.get("SEGDATA_CACHE_DIR") or platformdirs.user_cache_dir("segdata"))


def cached_source(
    request: ReadRequest, format: str, more: Mapping[str, object], open_source: Callable[[], Source], place: Path
) -> Source:
    """The source that `open_source` opens, wrapped in a `CachedSource`.

    `more`: further values, beside the request, on which reading depends. `place`: the folder of the entries.
    """
    folders = [Path(str(folder)) for folder in (request.images, more.get("roi")) if folder is not None]
    root = request.root
    most = _MAX_FOLDER_FILES if root.is_dir() else _FEW_FILES + root.stat().st_size // 500
    listing = FileListing.from_folders(root, folders, most, _IN_THE_KEY)
    return (
        open_source()
        if listing is None
        else CachedSource(place, _entry_key(request, format, more), listing, open_source)
    )


class CachedSource:
    """A source that is opened only if the cache cannot answer a request.

    Its files are compared with those of the last run: by size and times, and if these differ, files that hold labels by
    content. If nothing differs, all measurements are reused, else those of images whose files have not changed.
    """

    def __init__(self, place: Path, key: str, listing: FileListing, open_source: Callable[[], Source]) -> None:
        self._place, self._key, self._open = place, key, open_source
        self._token = ""  # of the entry that the tables given last are of
        self._entry = cache.load_entry(place, key)
        outside = self._entry.listing.files if self._entry else ()
        self._listing = listing.with_files(outside)
        self._changed = _changed_files(self._entry, self._listing) if self._entry else set()

    @property
    def stored_entry(self) -> CacheEntry | None:
        """The entry of the cache if no file has changed since, else None."""
        return None if self._changed else self._entry

    @cached_property
    def source_itself(self) -> Source:
        """The source itself."""
        return self._open()

    @property
    def profile(self) -> Profile:
        """Delegates to the source."""
        return self.stored_entry.profile if self.stored_entry else self.source_itself.profile

    @property
    def image_ids(self) -> Sequence[str]:
        """Delegates to the source."""
        return self.stored_entry.image_ids if self.stored_entry else self.source_itself.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """Delegates to the source."""
        return (
            self.stored_entry.defects[: self.stored_entry.opened] if self.stored_entry else self.source_itself.defects
        )

    def chunks(self) -> list[Ints]:
        """Delegates to the source."""
        return self.source_itself.chunks()

    def load(self, rows: Ints) -> Batch:
        """Delegates to the source."""
        return self.source_itself.load(rows)

    def detached(self) -> Detached | None:
        """Delegates to the source."""
        return detach(self.source_itself)

    def measure(
        self, families: frozenset[Family], profile: Profile, jobs: int, progress: Callable[[int], None]
    ) -> Tables:
        """Measure as `segdata.measure.measure.measure_source` does, and save new results in the cache."""
        if self.stored_entry is not None and families <= self.stored_entry.families:
            progress(len(self.stored_entry.image_ids))
            self._token = self.stored_entry.token
            return _entry_tables(self.stored_entry, families, profile)
        every = families | (self._entry.families if self._entry else frozenset())
        begun = time.monotonic()
        source, chunks = retain_sequences(self.source_itself, every), self.source_itself.chunks()
        pieces = self._pieces(source, every, profile, chunks, jobs, progress)
        measured = gather_measured(pieces, source.defects, every, profile)
        names = set(measured.tables)
        tables = complete_tables(measured, source, every, profile, chunks, jobs)
        entry = self._make_entry(source, every, measured, tables, names, chunks)
        if time.monotonic() - begun >= MIN_SECONDS or self._entry is not None:
            cache.save_entry(self._place, self._key, entry)
            self._token = entry.token
        return _entry_tables(entry, families, profile)

    def find_by_rule(
        self, tables: Tables, rules: Sequence[Rule], config: Config, jobs: int
    ) -> dict[str, list[Finding]]:
        """Like `segdata.core.rule_runner.find_by_rule`; only rules whose options have changed run again.

        `tables`: the last result of `measure`. Findings of rules of other packages are not saved, since these may
        change.
        """
        if not self._token:
            return find_by_rule(tables, rules, config, jobs)
        options, profile = configured_options(config), _mark(msgspec.to_builtins(tables.profile, str_keys=True))
        decided_by = {
            rule.code: _mark([profile, sorted(rule.needs), options.get(rule.code, {})])
            for rule in rules
            if rule.check.__module__.startswith("segdata.")
        }
        stored = cache.load_findings(self._place, self._key, self._token, decided_by)
        findings = find_by_rule(tables, rules, config, jobs, stored)
        if not (findings.keys() & decided_by.keys()) <= stored.keys():
            cache.save_findings(self._place, self._key, self._token, decided_by, findings)
        return findings

    def _pieces(
        self,
        source: Source,
        families: frozenset[Family],
        profile: Profile,
        chunks: list[Ints],
        jobs: int,
        progress: Callable[[int], None],
    ) -> Iterator[MeasuredTables]:
        """Yield the tables of each portion of images, from the cache for images that have not changed."""
        kept = self._unchanged_rows(source, families)
        fresh = [rows for chunk in chunks if len(rows := chunk[[row not in kept for row in chunk.tolist()]])]
        chunks_measured = measure_chunks(source, families, profile, fresh, jobs, progress)
        if not kept or self._entry is None:
            return (piece for _, piece in chunks_measured)
        progress(len(kept))
        order = np.concatenate([np.empty(0, np.int64), *chunks])
        before = MeasuredTables(_image_tables(self._entry, profile), list(self._entry.defects[self._entry.opened :]))
        return interleave_measured(order, kept, before, chunks_measured)

    def _unchanged_rows(self, source: Source, families: frozenset[Family]) -> dict[int, int]:
        """Row of an image -> its row in the entry's tables, for the images that have not changed."""
        entry, files = self._entry, getattr(source, "files", None)
        if entry is None or files is None or not families <= entry.families or source.profile != entry.profile:
            return {}
        ids = source.image_ids
        if any(defect.image is None for defect in entry.defects[entry.opened :]) or len(set(ids)) < len(ids):
            return {}
        before = {name: row for row, name in enumerate(entry.tables["images"]["image_id"].to_pylist())}
        uris = entry.tables["images"]["uri"].to_pylist()
        own = [{*map(str, files(row)), uris[before[name]] if name in before else None} for row, name in enumerate(ids)]
        if self._changed - set(uris).union(entry.hashes, *own):
            return {}  # a file of no image: it may say something about all of them
        return {row: before[name] for row, name in enumerate(ids) if name in before and not self._changed & own[row]}

    def _make_entry(
        self,
        source: Source,
        families: frozenset[Family],
        findings: GatheredTables,
        tables: Tables,
        names: set[str],
        chunks: list[Ints],
    ) -> CacheEntry:
        """Make the entry to save; `names` are the tables of single images, the others are measured over several."""
        for name, table in tables.measured.items():
            if name not in names:
                findings.tables.replace(f"across/{name}", pa.table({column: table[column] for column in table.names}))
        uris = [uri for uri in findings.tables["images"]["uri"].to_pylist() if uri is not None and "://" not in uri]
        files = getattr(source, "files", None)
        listing = self._listing.with_files(uris)
        order = np.concatenate([np.empty(0, np.int64), *chunks]).tolist()
        labels = [] if files is None else [str(path) for row in order for path in files(row)]
        return CacheEntry(
            source.profile,
            tuple(source.image_ids),
            families,
            findings.tables,
            tuple(findings.defects),
            len(source.defects),
            listing,
            _label_hashes(labels, listing, self._entry, self._changed),
            unique_token(),
        )


def _entry_tables(entry: CacheEntry, families: frozenset[Family], profile: Profile) -> Tables:
    """The tables of an entry, reduced to those of some families."""
    every = {name: entry.tables.lazy(name) for name in entry.tables}
    stored = {name: table for name, table in every.items() if not name.startswith("across/")}
    if families != entry.families:
        columns_of = provided_columns(families, profile)
        stored = {name: table.select(columns_of[name]) for name, table in stored.items() if name in columns_of}
    blank = {name: entry.tables.schema(name).empty_table() for name in stored}
    tables = with_unmeasured(StoredTables(blank), profile) | stored
    tables |= {name.removeprefix("across/"): table for name, table in every.items() if name.startswith("across/")}
    return Tables.of(profile, tables, entry.defects)


def _image_tables(entry: CacheEntry, profile: Profile) -> dict[str, pa.Table]:
    """An entry's tables of single images, without the columns that are measured over several."""
    columns_of = provided_columns(entry.families - {"copies"}, profile)
    return {name: entry.tables[name].select(columns) for name, columns in columns_of.items()}


def _changed_files(entry: CacheEntry, now: FileListing) -> set[str]:
    """The files that have changed: new, missing, or with other content."""
    changed = entry.listing.changed_files(now)
    same = {
        path for path in changed if path in entry.hashes and path in now.files and entry.hashes[path] == hash_file(path)
    }
    return changed - same


def _label_hashes(
    labels: Sequence[str], listing: FileListing, before: CacheEntry | None, changed: set[str]
) -> dict[str, str]:
    """The hashes of files that hold labels, for files that have not changed since they were listed."""
    unchanged = {path: mark for path, mark in before.hashes.items() if path not in changed} if before else {}
    hashes = {path: unchanged[path] for path in labels if path in unchanged}
    rest = [path for path in dict.fromkeys(labels) if path not in hashes]
    with ThreadPoolExecutor(n_threads(0)) as pool:
        marks = dict(zip(rest, pool.map(hash_file, rest), strict=True))
    moved = listing.changed_files(FileListing({}).with_files(rest))
    return hashes | {path: mark for path, mark in marks.items() if mark is not None and path not in moved}


def _entry_key(request: ReadRequest, format: str, more: Mapping[str, object]) -> str:
    """The key of an entry: a hash of everything that reading and measuring depend on, except the files."""
    config, unset = request.config, Config()
    judging = {name: getattr(unset, name) for name in _JUDGING}
    read_by: dict[str, Option | object] = {
        "root": str(request.root.absolute()),
        "format": format,
        "taxonomy": None if request.taxonomy is None else msgspec.to_builtins(request.taxonomy, str_keys=True),
        "images": None if request.images is None else str(request.images.absolute()),
        "annotator": request.annotator,
        "options": dict(request.options),
        "config": msgspec.to_builtins(msgspec.structs.replace(config, **judging), str_keys=True),
        "more": {name: str(value) for name, value in more.items()},
        "program": _program_version(),
    }
    return _mark(read_by)


def _mark(value: object) -> str:
    """A text for a value, equal for equal values."""
    text = json.dumps(value, sort_keys=True, default=str)
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _program_version() -> list[object]:
    """The version of segdata, and when it was installed; in a checkout, when its files were changed."""
    package = Path(segdata.__file__).parent
    newest = Path(segdata.__file__).stat().st_mtime_ns
    if (package.parent / "pyproject.toml").exists():
        files = FileListing.from_folders(package, (), _MAX_FOLDER_FILES)
        changed = (stat[1] for path, stat in files.files.items() if not path.endswith(".pyc")) if files else ()
        newest = max((newest, *changed))
    return [segdata.__version__, newest, sys.version_info[:2], pa.__version__, np.__version__]
