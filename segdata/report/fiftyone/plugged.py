"""Plugged: our plugin among those that FiftyOne loads, without a change to any other."""

from pathlib import Path
from typing import Any

from segdata.core.errors import SegdataError

NAME = "@segdata/review"
_FOLDER = "segdata-review"
_SOURCE = Path(__file__).parent / "plugin"
_FILES = ("fiftyone.yml", "__init__.py", "keys.js")


def plug_in(fo: Any) -> Path:  # Any: FiftyOne has no types
    """Copy the plugin into the folder that FiftyOne's configuration names, where it is not there as it is now.

    Returns its folder. Somebody who has switched the plugin off has it off. Raises SegdataError where the folder cannot
    be written, or holds something else.
    """
    folder = Path(fo.config.plugins_dir) / _FOLDER
    about = folder / "fiftyone.yml"
    try:
        if folder.exists() and NAME not in (about.read_text("utf-8") if about.is_file() else ""):
            raise SegdataError(f"{folder}: is not of segdata; move it away, else the App has no buttons to decide with")
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            wanted, there = (_SOURCE / name).read_bytes(), folder / name
            if not there.is_file() or there.read_bytes() != wanted:
                partial = folder / f".{name}.partial"
                partial.write_bytes(wanted)
                partial.replace(there)
    except OSError as error:
        what = f"{folder}: cannot be written: {error.strerror}"
        raise SegdataError(f"{what}; FIFTYONE_PLUGINS_DIR names another folder for FiftyOne's plugins") from error
    return folder
