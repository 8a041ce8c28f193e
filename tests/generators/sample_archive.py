"""The sample data that the wheel carries: `python -m tests.generators.sample_archive` writes the archive."""

import io
import lzma
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from segdata.sample import ARCHIVE, MAX_IMAGES
from tests.generators.sample.dataset import make


def pack(folder: Path) -> bytes:
    """All files below a folder as tar.xz; a file with the bytes of an earlier one is a hard link to it."""
    names: dict[bytes, str] = {}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content, member = path.read_bytes(), tarfile.TarInfo(path.relative_to(folder).as_posix())
            first = names.setdefault(content, member.name)
            if first == member.name:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = tarfile.LNKTYPE, first
                archive.addfile(member)
    return lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME)


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        make(scratch, images=MAX_IMAGES)
        ARCHIVE.write_bytes(pack(Path(scratch)))
