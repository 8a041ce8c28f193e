"""Taxonomies: draft one, compare two, validate one without images."""

from collections.abc import Container, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from segdata.api.read import CONFIG, TAXONOMY, ReadOptions, read
from segdata.api.result import Result, promote
from segdata.api.validate import validate
from segdata.core.atomic_files import write_whole
from segdata.core.config import Config, load_config
from segdata.core.dataset import EmptySource
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Finding
from segdata.core.format import FileProbe, ReadRequest, Source
from segdata.core.guideline import taxonomy_advice
from segdata.core.paths import dataset_folder
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Taxonomy, dump_taxonomy, load_taxonomy
from segdata.core.yaml_files import dump_yaml_line
from segdata.dataset import Dataset
from segdata.formats.coco import COCO_SORTS, find_documents
from segdata.formats.coco.document import read_document
from segdata.formats.coco.images import read_categories
from segdata.formats.masks import layers, probe_masks
from segdata.formats.masks.provisional import infer_mask_taxonomy
from segdata.formats.shared.colour_tables import find_taxonomy
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.mask_files import mask_headers
from segdata.formats.shared.pairing import Pairing, pair_masks
from segdata.formats.shared.taxonomies import VOID_NAMES
from segdata.report.guideline import guideline_html, guideline_markdown
from segdata.store.diff.taxonomies import TaxonomyDifference, compare_taxonomies

if TYPE_CHECKING:
    import pandas as pd


def infer_taxonomy(
    root: Path, images: Path | None = None, config: Config | None = None, only: Container[str] | None = None
) -> Taxonomy:
    """Infer a taxonomy for the dataset at `root`, with the names of a colour table or COCO file, else `category_1` ….

    Colours or ids are those in the masks; each definition says how often they occur. Void is guessed from names, from
    the colour (224, 224, 192) and from the id 255; black or id 0 that covers most pixels of most masks is called
    background. `config` defaults to the segdata.yaml beside the data; `only` are the image_ids whose masks count, None:
    all. Raises UnreadableError if there is neither a mask nor a COCO file, or if the values are no categories.
    """
    if config is None:
        settings = root / "segdata.yaml"
        config = load_config(settings) if settings.is_file() else Config()
    described = _from_coco(root)
    if described is not None:
        return described
    if layers.detect(FileProbe(root)) is not None:
        source: Source = layers.read(ReadRequest(root, images=images, config=config))
        return source.profile.taxonomy
    pairing = pair_masks(root, images_folder(ReadRequest(root, images=images, config=config)))
    masks = [mask for entry in pairing.entries if only is None or entry.image_id in only for mask in entry.files]
    if not masks:
        raise UnreadableError(f"{root}: no masks and no COCO file to draft a taxonomy from")
    _must_be_categories(root, masks, pairing)
    named = find_taxonomy(root, masks)
    return infer_mask_taxonomy(masks, named)


def _from_coco(root: Path) -> Taxonomy | None:
    """The categories of the COCO files at `root`, which must be equal; None if no file lists any.

    Raises UnreadableError if they differ.
    """
    described: list[tuple[Path, Taxonomy]] = []
    for path in find_documents(root, *COCO_SORTS):
        taxonomy = read_categories(read_document(path, path.name), None).taxonomy
        if taxonomy.categories:
            described.append((path, taxonomy))
    if any(taxonomy != described[0][1] for _, taxonomy in described):
        listed = ", ".join(path.name for path, _ in described)
        raise UnreadableError(f"{root}: the categories of these COCO files differ, name one of them: {listed}")
    return _with_void(described[0][1]) if described else None


def _with_void(taxonomy: Taxonomy) -> Taxonomy:
    """The taxonomy with kind void for categories named as void, as COCO has no such kind."""
    categories = [
        msgspec.structs.replace(category, kind="void") if category.name.lower() in VOID_NAMES else category
        for category in taxonomy.categories
    ]
    return msgspec.structs.replace(taxonomy, categories=tuple(categories))


def _must_be_categories(root: Path, masks: list[Path], pairing: Pairing) -> None:
    """Raise UnreadableError, with the reason, if the values in the masks cannot be categories."""
    if not pairing.has_no_images and all(entry.image is None for entry in pairing.entries):
        reason = next(defect.message for defect in pairing.defects if defect.code == "SEG011")
        raise UnreadableError(f"{root}: {reason}; give the masks as DATA, and their images as --images")
    heads = mask_headers(masks)
    n_lossy = sum(head.lossy is not None for head in heads)
    if n_lossy:
        are = "is" if n_lossy == 1 else "are"
        raise UnreadableError(
            f"{root}: {n_lossy:,} of {len(masks):,} files {are} JPEG: photographs, or masks whose values are lost; "
            "give the folder of the masks as DATA, or name the layers in segdata.yaml"
        )
    stored = sorted({"colours" if head.has_colors else f"{'more than ' * (head.bits > 8)}8 bits" for head in heads})
    if len(stored) > 1:
        raise UnreadableError(
            f"{root}: the masks are stored in several ways ({', '.join(stored)}), as if labels, instance ids and "
            "pictures of them lie side by side; give a folder of one kind as DATA"
        )
    if stored == ["more than 8 bits"]:
        raise UnreadableError(
            f"{root}: {heads[0].encoding} masks hold ids of instances, not of categories; write in segdata.yaml "
            "`instance_ids: {category: nucleus}`"
        )
    if probe_masks(root) is None:
        raise UnreadableError(f"{root}: the files look like photographs: their values are no categories")


class TaxonomyDiffResult(Result, TaxonomyDifference):
    """The changes from one taxonomy to another, and the new category of each old one."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata taxonomy diff --format json`` prints it."""
        from segdata.report.diff import taxonomy_diff_json

        return taxonomy_diff_json(self, *self._context["names"])

    def table(self) -> "pd.DataFrame":
        """One row for each change as a pandas table."""
        import pandas as pd

        return pd.DataFrame([asdict(change) for change in self.changes])


class TaxonomyCheck(msgspec.Struct, frozen=True):
    """The problems of a taxonomy, and the categories that annotators may confuse.

    Attributes
    ----------
    taxonomy : the one that was checked
    findings : of rule SEG208, worst first
    advice : likely sources of annotation errors, a sentence each
    """

    taxonomy: Taxonomy
    findings: tuple[Finding, ...]
    advice: tuple[str, ...]


def draft_taxonomy(data: str | Path, **opening: Unpack[ReadOptions]) -> Taxonomy:
    """Draft a taxonomy: the categories that a dataset names, else one for each colour or id in its masks.

    `opening` as for `read`. Raises SegdataError where there is nothing to draft from.
    """
    return draft_taxonomy_of(Path(data), **opening)[0]


def check_taxonomy(taxonomy: str | Path | Taxonomy) -> TaxonomyCheck:
    """Check a taxonomy, its file, or the taxonomy.yaml of a folder; raises SegdataError if it cannot be read.

    >>> import segdata
    >>> segdata.check_taxonomy(segdata.Taxonomy(categories=())).findings
    ()
    """
    checked = taxonomy if isinstance(taxonomy, Taxonomy) else load_taxonomy(taxonomy_file(Path(taxonomy)))
    findings = validate(taxonomy_dataset(checked), select=["SEG208"]).findings
    return TaxonomyCheck(checked, findings, tuple(taxonomy_advice(checked)))


def taxonomy_guideline(taxonomy: str | Path | Taxonomy, *, html: bool = False, folder: str | Path = ".") -> str:
    """A taxonomy as a guideline for annotators, as Markdown or as an HTML page that contains its example images.

    `taxonomy`: a taxonomy, its file, or a folder that has one. `folder`: the images of a taxonomy without a file.
    """
    title, shown_taxonomy = "how to annotate", taxonomy
    if not isinstance(shown_taxonomy, Taxonomy):
        file = taxonomy_file(Path(shown_taxonomy))
        shown_taxonomy, folder = load_taxonomy(file), file.parent
        title = f"{shown_taxonomy.name or file.absolute().parent.name}: {title}"
    elif shown_taxonomy.name:
        title = f"{shown_taxonomy.name}: {title}"
    return guideline_html(shown_taxonomy, title, Path(folder)) if html else guideline_markdown(shown_taxonomy, title)


def diff_taxonomies(old: str | Path | Taxonomy, new: str | Path | Taxonomy) -> TaxonomyDiffResult:
    """Compare two taxonomies, or their files: the differences, and where the labels of each old category belong."""
    before, after = (
        source if isinstance(source, Taxonomy) else load_taxonomy(taxonomy_file(Path(source))) for source in (old, new)
    )
    names = tuple("taxonomy" if isinstance(source, Taxonomy) else str(source) for source in (old, new))
    return promote(TaxonomyDiffResult, compare_taxonomies(before, after), names=names)


def taxonomy_file(path: Path) -> Path:
    """A taxonomy file: `path` itself, or taxonomy.yaml in that folder; raises SegdataError if there is none."""
    file = path / "taxonomy.yaml" if path.is_dir() else path
    if not file.exists():
        raise SegdataError(f"{file}: does not exist; draft one with: segdata taxonomy init DATA --output {file}")
    return file


def draft_taxonomy_of(data: Path, **opening: Unpack[ReadOptions]) -> tuple[Taxonomy, Profile | None]:
    """Draft a taxonomy: the dataset's categories, else those inferred from mask values; with the profile.

    `opening` as for `read`. The profile is None if the dataset is unreadable even with the draft. Raises SegdataError
    if there is nothing to draft from.
    """
    if not data.exists():
        raise SegdataError(f"{data}: does not exist")
    try:
        dataset = read(data, **opening)
        if dataset.profile.provisional is None or opening.get("only") is None or dataset.profile.drafted:
            return dataset.taxonomy, dataset.profile
    except UnreadableError:
        if opening.get("taxonomy") is not None or (dataset_folder(data) / TAXONOMY).exists():
            raise
    taxonomy = _taxonomy_from_masks(data, opening)
    opening["taxonomy"] = taxonomy
    try:
        return taxonomy, read(data, **opening).profile
    except SegdataError:
        return taxonomy, None


def _taxonomy_from_masks(data: Path, opening: ReadOptions) -> Taxonomy:
    """Infer a taxonomy from the values in the masks."""
    config, images, only = opening.get("config"), opening.get("images"), opening.get("only")
    return infer_taxonomy(
        data,
        None if images is None else Path(images),
        load_config(Path(config)) if isinstance(config, (str, Path)) else config,
        {only} if isinstance(only, str) else None if only is None else set(only),
    )


def init(
    data: str | Path, folder: str | Path | None = None, *, force: bool = False, **opening: Unpack[ReadOptions]
) -> tuple[Path, Path]:
    """Write a commented segdata.yaml and a draft taxonomy.yaml, and return the two files.

    Parameters
    ----------
    data : a file or folder, which need not be readable without a taxonomy; `opening` as for `read`
    folder : where the two files go; default: beside the data
    force : overwrite files that exist

    Settings in segdata.yaml are commented out, but for those that the reader has to assume without them, such as
    `instance_ids`. The taxonomy holds the categories of the data, or a draft made from their values. Raises
    SegdataError, and writes nothing, if the data cannot be read with the draft.
    """
    place = dataset_folder(Path(data)) if folder is None else Path(folder)
    taxonomy, profile = draft_project(Path(data), **opening)
    texts = {place / CONFIG: draft_config_text(profile), place / TAXONOMY: draft_taxonomy_text(taxonomy)}
    for file in texts:
        if file.exists() and not force:
            raise SegdataError(f"{file}: already exists; use --force to overwrite it, or --output to write elsewhere")
    try:
        for file, text in texts.items():
            write_whole(file, text)
    except SegdataError as error:
        raise SegdataError(f"{error}; name another folder (--output)") from error
    return place / CONFIG, place / TAXONOMY


def draft_project(data: Path, **opening: Unpack[ReadOptions]) -> tuple[Taxonomy, Profile]:
    """`draft_taxonomy_of`, with a readable dataset; raises SegdataError with the reason if it is unreadable."""
    try:
        taxonomy, profile = draft_taxonomy_of(data, **opening)
        if profile is not None:
            return taxonomy, profile
    except UnreadableError:
        pass
    dataset = read(data, **opening)  # reports what is missing, not the errors of the draft
    return dataset.taxonomy, dataset.profile


def draft_taxonomy_text(taxonomy: Taxonomy) -> str:
    """A drafted taxonomy as YAML, with a comment on how to correct it."""
    head = (
        "# A draft. Give every category its name, and its kind: thing (countable), stuff or void (ignored).\n"
        "# `unlabelled: [0, 0, 0]` (a colour) or `unlabelled: 0` (an id) says what nobody labelled looks like.\n"
        "# More keys: parent, aliases, attributes, thin, part_of, may_overlap, may_not_overlap, may_not_touch, also,\n"
        "# expected, size; of the guideline: definition, boundary_rule, occlusion_rule, examples.\n"
    )
    background = next((category for category in taxonomy.categories if category.name == "background"), None)
    if background is not None and taxonomy.unlabelled is None:
        head += f"# unlabelled: {background.id}  # where `background` is not a category, but what nobody labelled\n"
    return head + dump_taxonomy(taxonomy)


def draft_config_text(known: Profile) -> str:
    """A segdata.yaml with the settings that the reader assumed, and all other settings as comments."""
    habit = "Until a policy is declared it is the format's habit, and gives warnings at most."
    lines = [*_HEADER, f"# Read as {known.format}, {known.task}. {habit}"]
    coverage = known.coverage.value if isinstance(known.coverage.value, str) else "sparse"
    values = {"coverage": coverage, "overlap": known.overlap.value, "format": known.format}
    for title, keys in _KEYS.items():
        lines += ["", f"# {title}"]
        for key, why in keys:
            name = key.partition(":")[0]
            if name in known.drafted:
                setting = dump_yaml_line({name: known.drafted[name]})[1:-1]
                lines.append(f"{setting:<44}  # a guess that the masks are read by; {why}")
            else:
                lines.append(f"# {key.format(**values):<42}  # {why}" if why else f"# {key}")
    return "\n".join(lines) + "\n"


_HEADER = (
    "# What this project decides about its dataset and its rules. `segdata validate` reads this file beside the data.",
    '# Every key is optional: remove the "# " before one to declare it.',
    "#",
)

_KEYS: Mapping[str, list[tuple[str, str]]] = {
    "Policies": [
        ("coverage: {coverage}", "exhaustive: every pixel must be labelled; sparse: need not be"),
        ("overlap: {overlap}", "of segments: forbid, allow or same-category-forbid"),
    ],
    "Reading": [
        ("format: {format}", "instead of detecting it"),
        ("taxonomy: taxonomy.yaml", "paths are relative to the data's folder"),
        ("images: images", "where the image files are"),
        ("instance_ids: {{divisor: 1000, background: 0}}", "or {category: nucleus}, or {table: ids.csv}"),
        ("layers: {{pattern: '{{stem}}_{{category}}.png'}}", "one mask per category or segment"),
        ("sequences: {{pattern: '{{sequence}}/{{frame}}.jpg', kind: video}}", "which images are frames of what"),
        ("options: {{order: row}}", "of the format; segdata formats NAME lists them"),
    ],
    "Rules (all codes: segdata rules)": [
        ("select: [SEG]", "beginnings of codes, or names"),
        ("ignore: [SEG204]", "the same, not to run"),
        ("severity: {{SEG106: error}}", "error, warning, info or off"),
        ("rules: {{SEG106: {{min_pixels: 16}}}}", "options; segdata explain CODE lists them"),
        ("group_by: camera", "the column that statistics tell apart"),
        ("gold: {{name: expert, metric: iou, bar: 0.8}}", "the reference of segdata agreement, and its bar"),
        ("cost: {{rate: 30, currency: EUR, minutes_per_image: 45}}", "what work costs, for segdata report"),
        ("training: {{crop: 256, loss: ce+dice}}", "how segdata flag trains, as its options"),
        ("overrides:", "what is decided otherwise for images, categories or annotators"),
        ("  - {image: 'night/*', severity: {SEG101: warning}}", ""),
        ("suppress:", "findings that are known and accepted"),
        ("  - {code: SEG102, image: 'a/*.jpg', reason: 'glass in front', until: 2030-01-31}", ""),
    ],
}


def taxonomy_dataset(taxonomy: Taxonomy) -> Dataset:
    """A dataset of this taxonomy and no images."""
    profile = Profile(
        "taxonomy", "taxonomy", "semantic", taxonomy, True, coverage=Policy("sparse"), overlap=Policy("allow")
    )
    return Dataset(EmptySource(profile), profile, Config())
