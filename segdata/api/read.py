"""Open a dataset: find its format, configuration, taxonomy and images."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from os.path import lexists  # a broken link is a broken file, not a missing one
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import numpy as np

from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config, Option, did_you_mean, load_config
from segdata.core.dataset import OpenDataset, Recipe
from segdata.core.errors import SegdataError, SettingError, UnreadableError, count_noun, reworded_errors
from segdata.core.finding import Defect
from segdata.core.format import Format, ReadRequest, Source, find_format
from segdata.core.memo import keep_results
from segdata.core.paths import as_url, check_path_name, check_plain_files, dataset_folder, is_archive
from segdata.core.pixel_limit import max_pixels, set_max_pixels
from segdata.core.profile import Profile
from segdata.core.rule_settings import check_config_categories, check_config_file, config_steps, locate_config_errors
from segdata.core.runs import Ints
from segdata.core.safe_text import shell_word
from segdata.core.taxonomy import Taxonomy, load_taxonomy
from segdata.dataset import Dataset
from segdata.formats.dataset_folders import (
    PLAIN_FORMATS,
    SplitLayout,
    datasets_inside,
    describe_unread_documents,
    detect_layout,
    list_unread_datasets,
    named_layout,
    only_dataset_inside,
    with_formats,
)
from segdata.formats.shared.derived_sources import (
    AlteredSource,
    RenamedSource,
    keep_batch,
    with_image_files,
    with_origin,
    with_regions_of_interest,
    with_sequences,
)
from segdata.formats.shared.file_names import has_images
from segdata.formats.shared.images import image_limits
from segdata.formats.shared.mask_layouts import UnclearMasksError
from segdata.measure.source_cache import cached_source

if TYPE_CHECKING:
    from segdata.core.storage import Mirror

T = TypeVar("T")
_PATH_OPTIONS = ("taxonomy", "images", "config", "roi")
Data = str | Path | OpenDataset
CONFIG = "segdata.yaml"
TAXONOMY = "taxonomy.yaml"


class ReadOptions(TypedDict, total=False):
    """The options of `read`, for the functions that pass them on."""

    format: str | None
    taxonomy: str | Path | Taxonomy | None
    images: str | Path | None
    config: str | Path | Config | None
    only: str | Iterable[str] | None
    annotator: str | None
    source: str | None
    roi: str | Path | None
    options: Mapping[str, Option] | None
    cache: str | Path | None


def read(
    data: Data,
    *,
    format: str | None = None,
    taxonomy: str | Path | Taxonomy | None = None,
    images: str | Path | None = None,
    config: str | Path | Config | None = None,
    only: str | Iterable[str] | None = None,
    annotator: str | None = None,
    source: str | None = None,
    roi: str | Path | None = None,
    options: Mapping[str, Option] | None = None,
    cache: str | Path | None = None,
) -> Dataset:
    """Open a dataset of any readable format.

    Parameters
    ----------
    data : a file or folder, a URL of one (``s3://bucket/data``), a zip archive of one (unpacked into a temporary
        folder), or ``FOLDER@r0001`` for a revision of a canonical dataset; a `Dataset` stays as it is, and takes no
        options
    format : the name of its format, or a short one, ``coco``, ``yolo``, ``voc``, ``masks``; default: detected
    taxonomy : a taxonomy, or its file; default: ``taxonomy.yaml`` in the folder or beside the file, or else that of
        the format
    images : the folder with the image files, if it is not where the format has it
    config : a configuration, or its file; default: ``segdata.yaml`` in the folder or beside the file
    only : an image_id or several; the others are left out
    annotator : the annotator's name for annotations that have none
    source : ``human``, ``model`` or ``consensus``: the origin of annotations that do not say theirs
    roi : a folder of masks, paired with images by name, that say where labels are expected (everywhere but at 0)
    options : of the format, as ``segdata formats NAME`` lists them; they override those in segdata.yaml
    cache : a folder that keeps what is measured, so that only changed files are decoded the next time; None: keep
        nothing. You can delete or share it at any time

    Raises SegdataError if the dataset as a whole cannot be read; `validate` reports defects in it as findings.

    >>> import segdata
    >>> dataset = segdata.read("street/")  # doctest: +SKIP
    >>> len(dataset), dataset.taxonomy.categories[0].name  # doctest: +SKIP
    (40, 'road')
    """
    if isinstance(data, OpenDataset):
        options_given = {"format": format, "taxonomy": taxonomy, "images": images, "config": config, "only": only}
        _refuse_options(**options_given, annotator=annotator, source=source, roi=roi, options=options, cache=cache)
        if isinstance(data, Dataset):
            return data
        return Dataset(data.source, data.profile, data.config, data.rows, data.recipe)
    opening: dict[str, Any] = {  # Any: each option has its own type
        "format": format,
        "taxonomy": taxonomy,
        "images": images,
        "config": config,
        "annotator": annotator,
        "source": source,
        "roi": roi,
        "options": options,
    }
    absolute = {name: _absolute(opening[name]) for name in _PATH_OPTIONS}
    url = as_url(data)
    recipe = partial(_read_again, url or Path(data).absolute(), max_pixels(), **opening | absolute)
    if url is not None:
        return _read_url(str(url), recipe, only=only, **opening)
    opening |= {name: _local_path(opening[name]) for name in _PATH_OPTIONS}
    root, revision = split_revision(Path(data))
    if revision is not None:
        opening["options"] = {"revision": revision, **(options or {})}
    check_path_name(root.absolute())
    check_plain_files(root)
    if is_archive(root):
        return _read_archive(root, recipe, only=only, **opening)
    return _read_files(root, recipe, only=only, cache=cache, **opening)


@keep_results()
def _read_files(root: Path, recipe: Callable[[], OpenDataset], **given: Unpack[ReadOptions]) -> Dataset:
    """Open the dataset in a file or folder of this machine; `given` has all options of `read`."""
    config = given["config"]
    settings = config if isinstance(config, Config) else _find_config(root, config)
    file = None if isinstance(config, Config) else Path(config or dataset_folder(root) / CONFIG)
    is_detected = given["format"] is None and settings.format is None
    try:
        with locate_config_errors(file):
            data_format, layout = _choose_format(root, given["format"], settings, config)
    except UnreadableError:
        inner = only_dataset_inside(root) if is_detected else None
        if inner is None:
            raise
        if config is None and lexists(root / CONFIG):
            given["config"] = root / CONFIG
        if given["taxonomy"] is None and lexists(root / TAXONOMY):
            given["taxonomy"] = root / TAXONOMY
        return _read_files(inner, recipe, **given)
    data_format.check_options(given["options"] or {}, "read")
    with locate_config_errors(file):
        request = _request(root, settings, given)

    def open_now() -> Source:
        with locate_config_errors(file), image_limits(), _doubted_format(root, given["format"], settings.format):
            return _open_source(data_format, request, layout, given["source"], given["roi"])

    if given["cache"] is None:
        opened = open_now()
    else:
        more = {"source": given["source"], "roi": given["roi"], "max_pixels": max_pixels()}
        opened = cached_source(request, data_format.name, more, open_now, Path(given["cache"]))
    opened = _with_name_clashes(opened)
    if is_detected and not layout.parts and root.is_dir():
        opened = _with_unread_datasets(opened, root, layout.unread)
    with locate_config_errors(file):
        check_config_categories(settings, opened.profile)
    names = [given["only"]] if isinstance(given["only"], str) else given["only"]
    rows = None if names is None else _select_images(opened.image_ids, list(names))
    return Dataset(opened, opened.profile.under(settings), settings, rows, Recipe(opened, recipe))


def _request(root: Path, settings: Config, given: ReadOptions) -> ReadRequest:
    """What the reader is asked for: the options of `read`, else those of the configuration."""
    taxonomy = given["taxonomy"]
    return ReadRequest(
        root=root,
        taxonomy=taxonomy if isinstance(taxonomy, Taxonomy) else _find_taxonomy(root, taxonomy, settings.taxonomy),
        images=_find_images(given["images"], settings.images),
        config=settings,
        annotator=given["annotator"],
        explicit=(given["format"] or settings.format) is not None,
        options={**settings.options, **(given["options"] or {})},
    )


def _with_name_clashes(opened: Source) -> Source:
    """Add SEG008 if names of images are one name to Windows and macOS, which ignore case and composed accents."""
    names = opened.image_ids
    composed = names if all(map(str.isascii, names)) else [unicodedata.normalize("NFC", name) for name in names]
    folded = [*map(str.lower, composed)]
    if len(set(folded)) == len(names):
        return opened
    spellings: dict[str, list[str]] = {}
    for name, key in zip(names, folded, strict=True):
        spellings.setdefault(key, []).append(name)
    clashing = [different for alike in spellings.values() if len(different := sorted(set(alike))) > 1]
    if not clashing:
        return opened
    first, second = clashing[0][:2]
    n = count_noun(sum(map(len, clashing)), "image")
    message = f"{n} have names that differ in case or accents alone, such as {first!a} and {second!a}"
    message += ": Windows and macOS keep one file of such names"
    clash = Defect("SEG008", message, image=second, severity="warning", lost=False)
    return AlteredSource(opened, keep_batch, (clash,))


def _with_unread_datasets(opened: Source, root: Path, seen: Sequence[Path] = ()) -> Source:
    """Add a defect for each folder of `root` that is another, unread dataset.

    `seen`: those already known. One that holds the images that are read is none.
    """
    profile, ids = opened.profile, opened.image_ids
    seen = [path for path in seen if not any(name.startswith(f"{_below(path, root)}/") for name in ids)]
    if seen:
        names = " and ".join(f"{path.name}/" for path in seen)
        message = f"labels in {names} are not read; give {seen[0].name} as DATA to read them"
        opened = AlteredSource(opened, keep_batch, (Defect("SEG011", message),))
    foreign = describe_unread_documents(root) if profile.format in (*PLAIN_FORMATS, "layers") else None
    if foreign is not None:
        opened = AlteredSource(opened, keep_batch, (Defect("SEG011", f"beside the masks lies {foreign}"),))
    if profile.format == "canonical" or profile.format in PLAIN_FORMATS or not ids:
        return opened
    place = ids[0]
    with suppress(ValueError):
        files = Path(profile.files) if Path(profile.files) != root else Path(profile.places.get("masks", ids[0]))
        place = files.relative_to(root).as_posix()
    own = place.partition("/")[0] + "/"
    if place == ids[0] and not all(name.startswith(own) for name in ids):
        return opened
    unread = list_unread_datasets(root, place, profile.format)
    defects = tuple(
        Defect("SEG011", f"the folder is a dataset of its own ({name}), and is not read; give it as DATA", folder)
        for folder, name in unread
    )
    return AlteredSource(opened, keep_batch, defects) if defects else opened


def _below(path: Path, root: Path) -> str:
    """The path below `root`, or as it is."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _local_path(place: T) -> T | Path:
    """A local path; for a URL, the path of the copies."""
    url = as_url(place)
    if url is None:
        return place
    from segdata.core.storage import mirror  # seldom needed

    return mirror(url).root


def _read_url(url: str, recipe: Callable[[], OpenDataset], **opening: Any) -> Dataset:  # Any: options of `read`
    """Open the dataset under a URL from a local copy; its images keep their URLs."""
    from segdata.core.storage import mirror, mirrors  # seldom needed

    named = re.fullmatch(r"(.*)@(r\d+)", url)
    copied = mirror(named[1] if named else url)
    root = copied.root.with_name(f"{copied.root.name}@{named[2]}") if named else copied.root
    with reworded_errors(lambda message: message.replace(str(copied.root), url)):
        local = read(root, **opening)
    mirrored = mirrors()
    rename = partial(_named_by_url, mirrored)
    altered = AlteredSource(local.source, partial(_with_urls, mirrors=mirrored))
    source = RenamedSource(altered, rename, replace(_renamed_profile(local.source.profile, rename), files=url), True)
    profile = replace(_renamed_profile(local.profile, rename), files=url)
    return Dataset(source, profile, local.config, local.rows, Recipe(source, recipe))


def _named_by_url(mirrors: "tuple[Mirror, ...]", text: str) -> str:
    """Replace temporary folders by the URLs of their files."""
    for mirror in mirrors:
        text = text.replace(str(mirror.folder), mirror.url)
    return text


def _read_archive(archive: Path, recipe: Callable[[], OpenDataset], **opening: Any) -> Dataset:  # Any: as above
    """Open the dataset in a zip archive; reports use the archive's name.

    segdata.yaml and taxonomy.yaml may lie in the archive, or beside it, where `init` writes them, as may the folder
    `images` of an archive of labels alone.
    """
    from segdata.api.archives import unpack_archive  # seldom needed

    root = unpack_archive(archive)
    rename = partial(_named_after, str(root), archive)
    for option, name in (("config", CONFIG), ("taxonomy", TAXONOMY)):
        if opening[option] is None and not lexists(dataset_folder(root) / name) and lexists(archive.parent / name):
            opening[option] = archive.parent / name
    if opening["images"] is None and (archive.parent / "images").is_dir() and not has_images(dataset_folder(root)):
        opening["images"] = archive.parent / "images"
    with reworded_errors(rename):
        local = read(root, **opening)
    if local.profile.format == "canonical":
        raise SegdataError(f"{archive}: holds a canonical dataset, whose revisions need a folder; unzip it")
    profile = _renamed_profile(local.profile, rename)
    renamed = RenamedSource(local.source, rename, _renamed_profile(local.source.profile, rename))
    return Dataset(renamed, profile, local.config, local.rows, Recipe(renamed, recipe))


def _named_after(root: str, archive: Path, text: str) -> str:
    """Replace the temporary folder by the archive."""
    command = "segdata init "
    text = text.replace(command + shell_word(root), command + shell_word(str(archive)))
    return text.replace(root, str(archive))


def _renamed_profile(profile: Profile, rename: Callable[[str], str]) -> Profile:
    return replace(
        profile,
        files=rename(profile.files),
        places={role: rename(place) for role, place in profile.places.items()},
        provisional=profile.provisional and rename(profile.provisional),
    )


def _with_urls(batch: Batch, mirrors: "tuple[Mirror, ...]") -> Batch:
    """Replace the paths of copied images by their URLs."""
    from segdata.core.storage import original_url  # seldom needed

    uris = [uri and original_url(uri, mirrors) for uri in batch.images["uri"].to_pylist()]
    channels = [
        several
        and [{**channel, "uri": channel["uri"] and original_url(channel["uri"], mirrors)} for channel in several]
        for several in batch.images["channels"].to_pylist()
    ]
    images = replace_column(replace_column(batch.images, "uri", uris), "channels", channels)
    return replace(batch, images=images)


def _read_again(data: str | Path, most_pixels: int, **opening: Unpack[ReadOptions]) -> OpenDataset:
    """Open the dataset in another process, until that ends, with the same limit of pixels."""
    set_max_pixels(most_pixels)
    if not _ENDLESS_LIMITS:
        _ENDLESS_LIMITS.append(ExitStack())
        _ENDLESS_LIMITS[0].enter_context(image_limits())
    return read(data, **opening)


_ENDLESS_LIMITS: list[ExitStack] = []


def _absolute(path: T) -> T | Path:
    """A path as an absolute one, for another process; anything else unchanged."""
    if as_url(path) is not None:
        return path
    return Path(path).absolute() if isinstance(path, (str, Path)) else path


def _open_source(
    reader: Format, request: ReadRequest, layout: SplitLayout, source: str | None, roi: str | Path | None
) -> Source:
    """Open the source: the format's reader, all splits as one, and what the request adds to its images."""
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    if layout.parts:
        from segdata.store.merge import join_splits  # seldom needed, and expensive to import

        opened: Source = join_splits(reader, request, layout)
    else:
        opened = reader.read(request)
    settings = request.config
    if reader.name == "canonical" and not layout.parts:
        opened = _with_stored_images(opened, request)
    opened = opened if roi is None else with_regions_of_interest(opened, Path(roi))
    opened = opened if source is None else with_origin(opened, source)
    if not settings.sequences:
        return opened
    with config_steps("sequences"):
        divisor = settings.instance_ids.divisor if settings.instance_ids else None
        return with_sequences(opened, settings.sequences, divisor)


def _with_stored_images(opened: Source, request: ReadRequest) -> Source:
    """Add the defects of image files to a revision, since the store cannot read images; not for a mirror."""
    from segdata.core.storage import original_url  # needed for this format only
    from segdata.store.revision_reader import CanonicalSource

    if not isinstance(opened, CanonicalSource) or original_url(str(request.root)) != str(request.root):
        return opened
    return with_image_files(opened, dataset_folder(request.root), opened.uris, request.images)


def _refuse_options(**options: object) -> None:
    """Raise SegdataError if any option is given."""
    names = [name for name, value in options.items() if value is not None]
    if names:
        written = ", ".join(f"{name}=…" for name in names)
        rules = "; options of rules belong in config=segdata.Config(rules={…})" if "options" in names else ""
        raise SegdataError(
            f"the dataset is already open; give these options when you open it: segdata.read(path, {written}){rules}"
        )


def split_revision(path: Path) -> tuple[Path, str | None]:
    """Split ``FOLDER@r0001`` into folder and revision; for other paths, the path and None."""
    folder, mark, revision = path.name.rpartition("@")
    if not (mark and re.fullmatch(r"r\d+", revision)) or lexists(path):
        return path, None
    root = path.with_name(folder) if folder else path.parent
    return (root, revision) if (root / "dataset.yaml").is_file() else (path, None)


def _find_config(root: Path, given: str | Path | None) -> Config:
    """The given configuration file, else the one beside the data, else None."""
    path = dataset_folder(root) / CONFIG if given is None else Path(given)
    if given is None and not lexists(path):
        return Config()
    config = load_config(path)
    check_config_file(config, path)
    return config


def _choose_format(root: Path, named: str | None, settings: Config, config: object) -> tuple[Format, SplitLayout]:
    """Choose the format, given by the caller or the configuration, or detected, and the splits of the dataset.

    The format has the configured options.
    """
    given = named or (_implied_format(settings, config) if settings.format is None else None)
    if given is None and settings.format is None:
        layout = detect_layout(root)
        chosen = find_format(layout.format, root)
    else:
        with config_steps("format") if given is None else nullcontext():
            chosen = find_format(given or str(settings.format), root)
        layout = named_layout(root, chosen)
    for name, value in settings.options.items():
        with config_steps("options", name):
            chosen.check_options({name: value}, "read")
    return chosen, layout


@contextmanager
def _doubted_format(root: Path, format: str | None, configured: str | None) -> Iterator[None]:
    """Extend the error of an unreadable dataset by what can be read there, or by the format that it looks like.

    `format` is the caller's, `configured` that of segdata.yaml.
    """
    try:
        yield
    except SettingError:
        raise
    except SegdataError as error:
        named = format or configured
        if not named:
            error.args = (_with_alternatives(root, error),)
            raise
        looks_like = None
        with suppress(SegdataError):
            looks_like = detect_layout(root).format
        own = find_format(named).name
        if looks_like in (None, own) or (format is not None and {looks_like, own} <= {*PLAIN_FORMATS, "layers"}):
            raise
        if format is None:
            message = f"format: {error}; the folder looks like {looks_like}: change or remove the line"
            raise SettingError(message, "format") from error
        error.args = (f"{error}; it looks like {looks_like}: read it as that, or without --from",)
        raise


def _with_alternatives(root: Path, error: SegdataError) -> str:
    """The message of an error, with the folders in `root` that can be read, or what its documents look like."""
    inside = {} if isinstance(error, UnclearMasksError) else datasets_inside(root)
    inside = {folder: name for folder, name in inside.items() if _may_open(folder)}
    if len(inside) > 1:
        return f"{error}; you can read these folders in it: {', '.join(with_formats(root, inside))}"
    if (place := only_dataset_inside(root)) is not None and _may_open(place):
        return f"{error}; or give {shell_word(str(place))} as DATA, whose labels can be read"
    if (foreign := describe_unread_documents(root)) is not None:
        return f"{root}: it looks like {foreign}; its image files alone: {error}"
    return str(error)


def _may_open(folder: Path) -> bool:
    """Whether a dataset inside a folder has an image file, or opens without one."""
    if has_images(folder):
        return True
    with suppress(SegdataError):
        read(folder)
        return True
    return False


def _implied_format(settings: Config, given: object) -> str | None:
    """The format that settings of a given configuration imply; `detect` itself reads one beside the data."""
    if given is None:
        return None
    return "layers" if settings.layers else "instance-ids" if settings.instance_ids else None


def _find_taxonomy(root: Path, given: str | Path | None, config: str | Path | None) -> Taxonomy | None:
    """Load the taxonomy given on the command line or in the configuration, else the one beside the data."""
    if given is None and config is not None and not Path(config).exists():
        raise SettingError(f"taxonomy: {config}: no such file", "taxonomy")
    named = given or config
    if named is not None:
        return load_taxonomy(Path(named))
    beside = dataset_folder(root) / TAXONOMY
    return load_taxonomy(beside) if lexists(beside) else None


def _find_images(given: str | Path | None, config: str | Path | None) -> Path | None:
    """The given folder of image files; raises SegdataError if it does not exist."""
    if given is None and config is not None and not Path(config).is_dir():
        raise SettingError(f"images: {config}: no such folder of images", "images")
    named = given or config
    if named is not None and not Path(named).is_dir():
        raise SegdataError(f"{named}: no such folder of images")
    return None if named is None else Path(named)


def _select_images(image_ids: Sequence[str], only: list[str]) -> Ints:
    """The rows of the named images; raises SegdataError for an unknown name."""
    position = {image_id: row for row, image_id in enumerate(image_ids)}
    for name in only:
        if name not in position:
            raise SegdataError(f"no image {name!r} in the dataset{did_you_mean(name, list(image_ids))}")
    return np.unique(np.array([position[name] for name in only], dtype=np.int64))
