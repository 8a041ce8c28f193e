"""What holds for every registered format, whoever wrote it."""

from contextlib import suppress
from inspect import signature
from pathlib import Path

import pytest

from segdata import convert, diff, read
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.format import Format, detect, formats
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossError
from tests.generators.reference_pages import format_page, formats_markdown

SAMPLE = Path(__file__).parents[2] / "sample_data"
DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = [each for each in formats().values() if each.write is not None]


def sample_for(each: Format, folder: Path) -> Path:
    """The sample data as far as a format can hold them at all, written by it; skips where it refuses them."""
    target = folder / f"written{each.file_suffixes[0] if each.file_suffixes else ''}"
    try:
        convert(SAMPLE / "panoptic", target, to=each.name, copy_images=not each.file_suffixes)
    except SegdataError as error:
        pytest.skip(f"{each.name} refuses the sample data: {error}")
    return target


def test_the_committed_pages_are_current() -> None:
    """Run `python -m tests.generators.reference_pages` where this fails."""
    listed = list(formats().values())
    assert (DOCS / "formats.md").read_text(encoding="utf-8") == formats_markdown(listed)
    committed = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "formats").glob("*.md")}
    assert committed == {f"{entry.name}.md": format_page(entry) for entry in listed}


@pytest.mark.parametrize("each", formats().values(), ids=lambda each: each.name)
def test_it_says_what_it_is(each: Format) -> None:
    assert each.summary.endswith("."), "the first line of the docstring is a sentence"
    assert len(each.summary) <= 120
    assert each.name == "canonical" or each.checked, "CHECKED names what its tests compare with"
    assert all(each.read_options.values())
    assert all(each.write_options.values())


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_its_writer_takes_the_options_that_it_lists(each: Format) -> None:
    assert each.write is not None
    write = each.write.function() if isinstance(each.write, ImportedOnCall) else each.write
    assert [*signature(write).parameters] == ["profile", "batches", "target", "losses", *each.write_options]


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_what_it_writes_is_detected_and_comes_back(each: Format, tmp_path: Path) -> None:
    target = sample_for(each, tmp_path)
    assert detect(target) == each.name
    assert len(read(target)) == len(read(SAMPLE / "panoptic"))
    again = tmp_path / f"again{target.suffix}"
    convert(target, again, to=each.name)
    assert diff(target, again, ignore=("segment-id",)).same, "what a format gave back once it gives back again"


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_its_source_lists_the_images_once(each: Format, tmp_path: Path) -> None:
    """Callers ask for the names image by image: a list for each is quadratic."""
    source = read(sample_for(each, tmp_path)).source
    assert source.image_ids is source.image_ids


@pytest.mark.parametrize("each", WRITTEN, ids=lambda each: each.name)
def test_with_on_loss_error_nothing_is_left(each: Format, tmp_path: Path) -> None:
    target = tmp_path / "target"
    try:
        convert(SAMPLE / "panoptic", target, to=each.name, on_loss="error")
    except (LossError, SegdataError):
        assert list(tmp_path.iterdir()) == []
    else:
        assert read(target, format=each.name).profile.format == each.name


@pytest.mark.parametrize("each", formats().values(), ids=lambda each: each.name)
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"<a/>"])
def test_rubbish_is_refused_or_found(each: Format, content: bytes, tmp_path: Path) -> None:
    for name in ("labels.json", "labels.xml", "labels.txt", "masks/a.png", "a.nii.gz", "a.dcm", "a.tif", "a.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    said = [each.code for each in met(tmp_path, each.name)] or refusal(tmp_path, each.name)
    assert said
    assert isinstance(said, list) or str(tmp_path) in said or "option" in said, "the message names the place"


def met(root: Path, name: str) -> list[Defect]:
    """The defects of a dataset; none where it is refused as a whole."""
    with suppress(SegdataError):
        dataset = read(root, format=name)
        return [*dataset.source.defects, *(defect for batch in dataset for defect in batch.defects)]
    return []


def refusal(root: Path, name: str) -> str:
    """Why a dataset is refused as a whole."""
    with pytest.raises(SegdataError) as raised:
        read(root, format=name)
    return str(raised.value)
