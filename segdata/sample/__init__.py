"""The demo's data: generated street scenes, their labels by several annotators, seeded defects and label errors.

`scenes.tar.xz` holds the finished files; `python -m tests.generators.sample_archive` in the repository writes it.

>>> make("/tmp/does-not-matter", only=("colour",))
Traceback (most recent call last):
ValueError: unknown parts ['colour']: choose among clean, annotators, video, defects, noise
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

PARTS = ("clean", "annotators", "video", "defects", "noise")
MAX_IMAGES = 24
ARCHIVE = Path(__file__).with_name("scenes.tar.xz")
_SCENE = re.compile(r"street(\d{3})")


def make(folder: str | Path, images: int = MAX_IMAGES, only: Collection[str] = PARTS) -> None:
    """Write the sample data into a folder.

    `images` is the number of pictures in clean, annotators and noise: at most MAX_IMAGES. `only` selects among PARTS.
    Raises ValueError for another part, or more images.
    """
    import io
    import lzma
    import tarfile

    if unknown := set(only) - set(PARTS):
        raise ValueError(f"unknown parts {sorted(unknown)}: choose among {', '.join(PARTS)}")
    if not 1 <= images <= MAX_IMAGES:
        raise ValueError(f"there are 1 to {MAX_IMAGES} images, not {images}")
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(ARCHIVE.read_bytes()))) as archive:
        members = {member.name: member for member in archive}
        for name, member in members.items():
            part = name.partition("/")[0]
            is_cut = part in ("clean", "annotators", "noise") and images < MAX_IMAGES
            if part not in only or (is_cut and _is_beyond(Path(name).name, images)):
                continue
            content = archive.extractfile(members[member.linkname] if member.islnk() else member)
            assert content is not None
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.read()
            path.write_bytes(_cut_document(data, images) if is_cut and path.suffix == ".json" else data)


def _cut_document(data: bytes, images: int) -> bytes:
    """A JSON file without the entries of later images."""
    import json

    return json.dumps(_cut(json.loads(data), images), separators=(",", ":")).encode() + b"\n"


def _cut(value: Any, images: int) -> Any:  # Any: JSON
    if isinstance(value, dict):
        return {key: _cut(item, images) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, images) for item in value if not _is_beyond(item, images)]
    return value


def _is_beyond(entry: Any, images: int) -> bool:  # Any: JSON
    """Whether a file name, or an entry of a JSON file, belongs to an image after the first `images`."""
    if isinstance(entry, dict):
        names = entry.get("image"), entry.get("file_name")
        return entry.get("image_id", 0) > images or any(_is_beyond(name, images) for name in names)
    match = _SCENE.match(entry) if isinstance(entry, str) else None
    return match is not None and int(match[1]) > images
