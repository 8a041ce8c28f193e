"""Start-up: commands that need no pandas do not import it, and those that do still can."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}],
    "categories": [{"id": 1, "name": "a"}],
}


def ran(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_validate_and_convert_do_not_import_pandas(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(COCO))
    commands = [["validate", "d.json"], ["convert", "d.json", "c"], ["convert", "c", "m", "--to", "colour-masks"]]
    code = (
        f"import os, sys; os.chdir({str(tmp_path)!r})\n"
        "from segdata.cli.main import main\n"
        f"for command in {commands!r}:\n"
        "    try: main(command)\n"
        "    except SystemExit as end: assert end.code == 0, (command, end.code)\n"
        "    assert 'pandas' not in sys.modules, command\n"
        "print('none of them')"
    )
    assert ran(code) == "none of them"


def test_pyarrow_and_pandas_work_together_afterwards() -> None:
    code = (
        "from segdata.cli.process import block_pandas_import; block_pandas_import()\n"
        "import sys; assert 'pandas' not in sys.modules\n"
        "import pyarrow as pa\n"
        "frame = pa.table({'a': [1, None], 'b': ['x', None]}).to_pandas()\n"
        "import pandas as pd\n"
        "back = pa.Table.from_pandas(frame)\n"
        "print(back['b'].to_pylist(), frame['a'].isna().tolist())"
    )
    assert ran(code) == "['x', None] [False, True]"


def test_freed_memory_is_kept_by_commands_alone() -> None:
    code = (
        "from segdata.cli import main\n"
        "keep = main.keep_freed_memory\n"
        "main.keep_freed_memory = lambda: (keep(), print('kept'))\n"
        "for words in (['--version'], ['validate', '--help'], ['rules']):\n"
        "    try: main.main(words)\n"
        "    except SystemExit as end: assert end.code == 0, words\n"
        "    print(words[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "kept" not in lines[: lines.index("--version")]
    assert "kept" in lines[: lines.index("rules")]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such call")
def test_arrow_allocates_from_glibc_too_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from segdata.cli import main\n"
        "try: main.main(['validate', 'sample_data/semantic', '--quiet', '--no-cache', '--fail-on', 'never'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "import pyarrow as pa\n"
        "print(pa.default_memory_pool().backend_name)"
    )
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    assert ran(code) == "system"
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "mimalloc")
    assert ran(code) == "mimalloc"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such call")
def test_freed_memory_goes_back_when_it_is_asked_for() -> None:
    code = (
        "from segdata.core.executor import keep_freed_memory, return_freed_memory\n"
        "def used(): return int(open('/proc/self/statm').read().split()[1]) * 4096 >> 20\n"
        "keep_freed_memory()\n"
        "blocks = [b'x' * (1 << 20) for _ in range(150)]\n"
        "blocks.clear()\n"
        "kept = used()\n"
        "return_freed_memory()\n"
        "print(kept - used())"
    )
    assert int(ran(code)) > 100
