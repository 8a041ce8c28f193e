"""Every rule finds what the sample data seeds for it, where it was put; clean data is quiet; threads change nothing."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import segdata
from segdata.cli.main import main
from segdata.core.rule import rules
from tests.generators.sample.dataset import Truth, make
from tests.generators.seeded_defects import DefectComparison, compare_defects, read_seeded_defects

# Rules without a seeded defect in the sample data, and what proves them.
UNSEEDED = {
    "SEG017": "volumes in files need the extra `medical`: tests/formats/medical/test_nifti_header.py",
    "SEG020": "tests/rules/test_empty_dataset.py",
    "SEG121": "tests/formats/coco/test_repeated_keys.py",
    "SEG129": "the pictures of its page",
    "SEG215": "the pictures of its page",
    "SEG219": "the sample data have a taxonomy: tests/formats/masks/test_provisional.py",
    "SEG030": "tests/rules/test_systematic_rules.py, and the releases of TACO of June 2019",
    "SEG130": "tests/rules/test_systematic_rules.py",
    "SEG313": "tests/rules/test_outlier_rules.py and benchmarks/rules/outliers.py",
    "SEG360": "tests/rules/test_outlier_rules.py and benchmarks/rules/outliers.py",
    "SEG314": "tests/rules/test_displaced_labels.py and benchmarks/defects/planted.py",
    "SEG132": "tests/rules/test_copied_and_cut.py and benchmarks/defects/planted.py",
    "SEG131": "tests/rules/test_copied_and_cut.py",
    "SEG133": "tests/rules/test_copied_and_cut.py",
    "SEG315": "tests/rules/test_copied_and_cut.py",
    "SEG316": "tests/rules/test_copied_and_cut.py",
    "SEG317": "tests/rules/test_copied_and_cut.py",
    "SEG318": "tests/rules/test_misplaced_category.py and benchmarks/defects/list_08.py",
    "SEG319": "tests/rules/test_habits.py",
    "SEG320": "tests/rules/test_habits.py",
    "SEG362": "tests/rules/test_successions.py and benchmarks/defects/planted.py",
    "SEG363": "tests/rules/test_successions.py and benchmarks/defects/planted.py",
    "SEG361": "tests/rules/test_copied_and_cut.py",
    "SEG359": "tests/rules/test_outlier_rules.py and benchmarks/rules/outliers.py",
    "SEG021": "the sample data are images that every decoder knows: tests/formats/shared/test_images.py",
    "SEG103": "only canonical tables can hold it, the same id twice in a file is SEG008: the pictures of its page",
}
JUDGED = Path(segdata.__file__).parents[1] / "benchmarks" / "rules" / "proof.yaml"
FORMS = ("text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "html")


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clean sets."""
    return make(tmp_path_factory.mktemp("clean"), seed=0, images=12, only=("clean",)).folder / "clean"


@pytest.fixture(scope="session")
def defects(seeded_data: Truth) -> Path:
    """The sets with seeded defects."""
    return seeded_data.folder / "defects"


@pytest.fixture(scope="session")
def proofs(defects: Path) -> dict[str, DefectComparison]:
    """Seeded defects against findings, by dataset."""
    folder = defects
    return {
        name: compare_defects(entries, segdata.validate(folder / name, select="SEG", one_by_one=True).findings)
        for name, entries in read_seeded_defects(folder).items()
    }


def test_every_seeded_defect_is_found(proofs: dict[str, DefectComparison]) -> None:
    missed = [
        f"{entry['code']} in {name}: {entry['what']} ({entry['image']})"
        for name, proof in proofs.items()
        for entry in proof.missed
    ]
    assert not missed, "\n".join(missed)


def test_every_rule_has_a_seeded_defect(proofs: dict[str, DefectComparison]) -> None:
    found = {entry["code"] for proof in proofs.values() for entry in proof.found}
    ours = {code for code, rule in rules().items() if rule.command == "validate"}
    assert ours - found == set(UNSEEDED)


def test_nothing_else_is_found_but_what_seeds_entail(proofs: dict[str, DefectComparison]) -> None:
    """That three points on a line leave an empty segment, for example: each such rule and dataset has its reason."""
    entailed = {(each["dataset"], each["rule"]) for each in yaml.safe_load(JUDGED.read_text("utf-8"))["beyond"]}
    assert {(name, finding.code) for name, proof in proofs.items() for finding in proof.beyond} == entailed


def test_proof_tells_places_apart(defects: Path) -> None:
    """A defect moved elsewhere is missed, and what was found is then none of the seeded ones."""
    (speck,) = (each for each in read_seeded_defects(defects)["mask_shapes"] if each["code"] == "SEG106")
    findings = segdata.validate(defects / "mask_shapes", select="SEG106").findings
    assert compare_defects([speck], findings) == DefectComparison((speck,), (), ())
    x, y, width, height = speck["bbox"]
    for change in ({"image": "street001.jpg"}, {"category": "sky"}, {"bbox": [x + width, y, width, height]}):
        moved = speck | change
        assert compare_defects([moved], findings) == DefectComparison((), (moved,), tuple(findings)), change


@pytest.mark.parametrize("name", ["semantic", "instances", "panoptic", "instance_ids", "layers"])
def test_clean_data_is_quiet(clean: Path, name: str) -> None:
    findings = segdata.validate(clean / name).findings
    assert not [f"{each.code} {each.image}: {each.message}" for each in findings]


@pytest.mark.parametrize(
    ("name", "form"), [*(("coco_shapes", form) for form in FORMS), ("mask_shapes", "json"), ("video", "json")]
)
def test_reports_are_the_same_bytes_for_any_number_of_threads(
    defects: Path, tmp_path: Path, name: str, form: str
) -> None:
    reports = []
    for jobs in (1, 2, 3):
        path = tmp_path / f"{jobs}"
        words = ["validate", str(defects / name), "--no-cache", "--jobs", str(jobs)]
        done = CliRunner().invoke(main, [*words, "--format", form, "--output", str(path)])
        assert done.exit_code == 1, done.output
        reports.append(path.read_bytes())
    assert reports[0] == reports[1] == reports[2]
    assert len(reports[0]) > 200
