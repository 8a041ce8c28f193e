"""What `pip install segdata` brings is enough: commands run without the packages of the extras."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "sample_data"
EXTRAS = ("cv2", "fiftyone", "highdicom", "nibabel", "pydicom", "rasterio", "skimage", "torch")

RUN = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from segdata.cli.main import main
main(sys.argv[2:])
"""


def run_without_extras(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that cannot import packages of the extras."""
    command = [sys.executable, "-c", RUN, ",".join(EXTRAS), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(SAMPLE.parent), "SEGDATA_CACHE_DIR": str(cwd / "cache")}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", SAMPLE / "panoptic"),
        ("validate", SAMPLE / "semantic"),
        ("convert", SAMPLE / "panoptic", "out", "--to", "yolo-seg", "--on-loss", "allow"),
        ("convert", SAMPLE / "panoptic", "out", "--to", "labelme", "--on-loss", "allow"),
        ("tile", SAMPLE / "semantic", "out", "--size", "64"),
    ],
    ids=lambda arguments: " ".join(str(word).rpartition("/")[2] for word in arguments[:2]),
)
def test_commands_run_without_extras(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    done = run_without_extras(*arguments, cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert "No module named" not in done.stdout + done.stderr


def test_what_needs_an_extra_names_it(tmp_path: Path) -> None:
    done = run_without_extras("flag", SAMPLE / "panoptic", cwd=tmp_path)
    assert done.returncode == 2
    assert "segdata[torch]" in done.stderr
