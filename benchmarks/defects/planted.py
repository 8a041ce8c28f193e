"""Plant defects of many kinds into copies of real datasets, and list what `segdata validate` reports at its defaults.

Run as ``python -m benchmarks.defects.planted FOLDER [NAME ...]``, where FOLDER holds the datasets of
`benchmarks/shared/real_sets.py`; NAME picks defects whose names contain it, or a list: `list_01` to the last. The kinds
of the first list were written down before anybody looked at which rules there are: what annotators, exporters, merge
scripts, resizing, trackers, label maps and volumes do wrong.
"""

import sys
import tempfile
import traceback
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

from benchmarks.defects.planting import BASES, DEFECTS, findings, make_copy


def main(folder: Path, names: list[str]) -> None:
    """Print what is new in each planted copy."""
    for path in sorted(Path(__file__).parent.glob("list_*.py")):
        import_module(f"benchmarks.defects.{path.stem}")  # registers what it plants
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        (scratch / "sources").mkdir()
        clean = {}
        for one in DEFECTS:
            origin = next(iter(one.plants.values())).__module__
            if names and not any(name in one.name or name in origin for name in names):
                continue
            print(f"\n## {one.name} [{one.by}, {one.known_from}]", flush=True)
            for name, plant in one.plants.items():
                if plant.__doc__:
                    print(f"  to tell: {plant.__doc__}")
                base = BASES[name]
                if name not in clean:
                    clean[name] = findings(base, make_copy(base, folder, scratch).root)
                copy = make_copy(base, folder, scratch)
                try:
                    plant(copy, np.random.default_rng(16))
                    new = findings(base, copy.root) - clean[name]
                except Exception:  # a bug of ours or of the plant: shown, and the others go on
                    traceback.print_exc()
                    continue
                codes = Counter(code for code, _, _ in new.elements())
                print(f"- {name}: {', '.join(f'{code} {count}' for code, count in sorted(codes.items())) or 'SILENT'}")
                shown = Counter[str]()
                for (code, image, message), _ in new.items():
                    shown[code] += 1
                    if shown[code] <= 2:
                        print(f"    {code} {image}: {message[:170]}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
