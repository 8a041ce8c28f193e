"""Start-up: what makes a command begin sooner."""

import gc
import sys
from contextlib import suppress


def spare_pandas() -> None:
    """Keep pyarrow from importing pandas, which takes longer than most runs and which few commands use.

    When pyarrow makes its first array it imports pandas, where that is installed, to recognise pandas' own objects;
    it asks only once. Here it asks while there seems to be no pandas. Commands that make pandas tables import it as
    ever, and pyarrow helps them as ever. Only for a process of our own: a library must not decide this for its user.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    sys.modules["pandas"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        for values in ([], [None, True]):  # Python asks for the first, C++ for the second
            with suppress(ImportError, AttributeError):
                pa.array(values)
    finally:
        del sys.modules["pandas"]


def collect_seldom() -> None:
    """Look for cycles of garbage a hundred times less often than Python does.

    It would look for them among every annotation of a dataset again and again; nearly nothing here is part of a cycle.
    A sixth of the processor time of validating 118,000 images goes into that. Only for a process of our own.
    """
    gc.set_threshold(100_000, 50, 100)
