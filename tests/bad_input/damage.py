"""Ways to damage a file: bytes, words of a text, values of a document, voxels, tables, and the file as a whole."""

import gzip
import io
import json
import os
import random
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Rng = random.Random
Value = Any  # Any: what a JSON document holds
BYTES = (b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'""', b"9" * 20, b"\xff" * 4, b"\0" * 4, b",", b":", b"\n")
# As they stand in a document of JSON.
VALUES = (
    *("null", "true", "false", "-1", "0", "0.5", "-0.0", "1e300", "-1e300", "1e999", "NaN", "-Infinity"),
    *("2147483648", "-9223372036854775809", "9" * 400, "9" * 5000, "100000000", "16777216", "65536", "256"),
    *('""', '"x"', '"1"', '"../../x"', '"/etc/passwd"', '"C:\\\\x"', '"a/../../b.png"', '"\\ud800"', '"\\u0000"'),
    *('"ä\\n\\t\\u001b[31m"', "[]", "{}", "[[]]", "[null]", '[""]', '{"":0}', "[1e300,1,2,3,4,-1e300]", "[0,1,NaN,2,3,4]"),
    *('"' + "a" * 9000 + '"', '{"size":[1000000000,1000000000],"counts":"0"}', '{"size":[-1,9],"counts":[1,2]}'),
    *("[" * 500 + "]" * 500, '{"a":' * 500 + "0" + "}" * 500, "[" * 100_000, '"%"', '"${x}"', '"{}"'),
)
WORDS = (
    *("-1", "1e999", "nan", "inf", "9" * 20, "9" * 5000, "0", "1", "256", "65536", "100000000", "0.5", "", "x", "é"),
    *("../../x", "/etc/passwd", "a/../b", "\0", "\ufeff", "\x1b[31m", "&a;", "<a>", "]]>", '"', ",", ";", "\n", "\t", "---"),
    *("!!python/object:os.system", "*a", "&a [*a]", "{", "[" * 3000, "null", "~", "yes", "0x10", "1_000", "٣", "²"),
)
ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>",
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY i SYSTEM "file:///etc/passwd">]>',
    '<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">',
    '<?xml version="1.0" encoding="utf-16"?>',
    '<?xml version="1.0" encoding="no-such"?>',
)


def changed_bytes(data: bytes, rng: Rng) -> bytes:
    """Up to five changes: a byte, a bit, something cut out, put in, repeated or written over, or the rest gone."""
    found = bytearray(data or b"x")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(found))
        change = rng.randrange(7)
        if change == 0:
            found[at] = rng.randrange(256)
        elif change == 1:
            found[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            del found[at : at + rng.randrange(1, 30)]
        elif change == 3:
            found[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif change == 4:
            found[at : at + 8] = found[rng.randrange(len(found)) :][:8]
        elif change == 5:
            found[at : at + 1] = rng.choice(BYTES)
        else:
            del found[at:]
        found = found or bytearray(b"x")
    return bytes(found)


def encoded(data: bytes, rng: Rng) -> bytes:
    """A text in another encoding, with another mark at its start, or with other line ends."""
    text = data.decode("utf-8", "replace")
    ways = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-32"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: b"\xef\xbb\xbf" * 2 + data,
        lambda: text.replace("a", "é").encode("latin-1", "replace"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: data + b"\0" * 9,
        lambda: data + data,
    )
    return rng.choice(ways)()


def another_word(data: bytes, rng: Rng) -> bytes:
    """A text, one or some of whose words are others."""
    text = data.decode("utf-8", "replace")
    for _ in range(rng.choice((1, 1, 3))):
        words = list(re.finditer(r"[\w.+-]+", text))
        if not words:
            return data
        word = rng.choice(words)
        text = text[: word.start()] + rng.choice(WORDS) + text[word.end() :]
    return text.encode("utf-8")


def with_entities(data: bytes, rng: Rng) -> bytes:
    """XML whose words are entities: of ten to the eighth letters, or of other files."""
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", data.decode("utf-8", "replace"))
    words = list(re.finditer(r"(?<=[\">])[\w.]+(?=[\"<])", text))
    if words:
        word = rng.choice(words)
        text = text[: word.start()] + "&i;" + text[word.end() :]
    return (rng.choice(ENTITIES) + text).encode("utf-8")


def another_element(data: bytes, rng: Rng) -> bytes:
    """XML with a tag that is gone, twice, renamed or very deep."""
    text = data.decode("utf-8", "replace")
    tag = rng.choice(list(re.finditer(r"<[^>]*>", text)) or [re.match("", text)])
    assert tag is not None
    put = rng.choice(("", tag[0] * 2, "<a>" * 50_000, "<x y='z'/>", "<![CDATA[", "<a><b/></a>", "<!--"))
    return (text[: tag.start()] + put + text[tag.end() :]).encode("utf-8")


def _places(value: Value) -> list[tuple[Value, Value]]:
    """Every (container, key) of a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


def another_value(data: bytes, rng: Rng) -> bytes:
    """A document with some values replaced, gone, repeated or exchanged, or with a key that is there twice."""
    try:
        document = json.loads(data)
    except ValueError:
        return changed_bytes(data, rng)
    puts = []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = _places(document)
        if not places:
            break
        (inside, key), (other, other_key) = rng.choice(places), rng.choice(places)
        change = rng.randrange(10)
        if change < 6:
            puts.append(rng.choice(VALUES))
            inside[key] = f"@{len(puts) - 1}@"
        elif change == 6:
            del inside[key]
        elif change == 7 and isinstance(inside, list):
            inside.append(inside[key])
        elif change == 8 and isinstance(inside, dict):
            puts.append(f'{json.dumps(inside[key])},"{key}":{rng.choice(VALUES)}')
            inside[key] = f"@{len(puts) - 1}@"
        elif not isinstance(inside[key], (dict, list)):
            inside[key] = json.loads(json.dumps(other[other_key]))
    text = json.dumps(document)
    for number, put in enumerate(puts):
        text = text.replace(f'"@{number}@"', put)
    return text.encode("utf-8", "surrogatepass")


def _png_claiming(data: bytes, width: int, height: int) -> bytes:
    header = struct.pack(">II", width, height) + data[24:29]
    return data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


def another_image(data: bytes, rng: Rng) -> bytes:
    """An image of another kind, size or content, or one whose header claims another size."""
    buffer, side = io.BytesIO(), np.random.default_rng(rng.randrange(2**32))
    how = rng.randrange(7)
    if how < 2 and data[:4] == b"\x89PNG":
        return _png_claiming(data, *rng.choice([(100_000, 100_000), (2**31 - 1, 1), (0, 5), (7, 5), (40_000, 50_000)]))
    size = rng.choice([(30, 40), (30, 40), (3, 2), (1, 1)])
    kind, shape = rng.choice([(np.uint8, ()), (np.uint8, (3,)), (np.uint8, (4,)), (np.uint8, (2,)), (np.uint16, ())])
    pixels = side.integers(0, rng.choice((2, 256, 2**16)) % (np.iinfo(kind).max + 1) or 256, (*size, *shape), np.int64)
    image = Image.fromarray(pixels.astype(kind))
    if how == 2:
        image = Image.fromarray(pixels.astype(np.float32)[..., 0] if shape else pixels.astype(np.float32))
        image.save(buffer, "TIFF")
    elif how == 3:
        image.convert("RGB").save(buffer, "JPEG")
    elif how == 4:
        image.convert("P" if image.mode[0] != "I" else "1").save(buffer, "PNG")
    elif how == 5:
        frames = [image.convert("RGB")] * 3
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    else:
        image.save(buffer, "PNG")
    return buffer.getvalue()


def another_table(data: bytes, rng: Rng) -> bytes:
    """Parquet with a column that is gone, null, of another type or of other values, or with rows gone or repeated."""
    table = pq.read_table(io.BytesIO(data))
    at, n = rng.randrange(table.num_columns), table.num_rows
    name = table.column_names[at]
    kinds: list[Callable[[], Any]] = [
        lambda: table.drop_columns([name]),
        lambda: table.set_column(at, name, pa.nulls(n, table.schema.field(at).type)),
        lambda: table.set_column(at, name, pa.nulls(n)),
        lambda: table.set_column(at, name, pa.array(["x"] * n)),
        lambda: table.set_column(at, name, pa.array([rng.choice((-1, 0, 2**62, 10**9))] * n)),
        lambda: table.set_column(at, name, pa.array([rng.choice((float("nan"), 1e300, -0.5))] * n)),
        lambda: table.set_column(at, name, pa.array([[0, 2**40]] * n)),
        lambda: table.set_column(at, name, pa.array([b"\xff\0"] * n)),
        lambda: table.set_column(at, name, pa.array([{"bytes": b"", "path": "../x"}] * n)),
        lambda: table.set_column(at, name, pa.chunked_array([table[name].take(pa.array([0] * n))])) if n else table,
        lambda: table.slice(1),
        lambda: table.slice(0, 0),
        lambda: pa.concat_tables([table, table]),
        lambda: table.append_column(name, table[name]),
    ]
    buffer = io.BytesIO()
    pq.write_table(rng.choice(kinds)(), buffer)
    return buffer.getvalue()


def another_volume(data: bytes, rng: Rng) -> bytes:
    """NIfTI with other numbers in its header."""
    packed = data[:2] == b"\x1f\x8b"
    found = bytearray(gzip.decompress(data) if packed else data)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.choice([*range(40, 56, 2), 70, 72, *range(76, 124, 4), 252, 254, *range(256, 328, 4), 344])
        struct.pack_into("<h", found, at, rng.choice((-32768, -1, 0, 1, 2, 8, 127, 255, 32639, 32640, 32767, 1000)))
    return gzip.compress(found) if packed else bytes(found)


def another_dicom(data: bytes, rng: Rng) -> bytes:
    """DICOM with elements gone, empty, of other values or exchanged, in any depth."""
    import pydicom

    made = pydicom.dcmread(io.BytesIO(data))
    found = [element for element in made.iterall() if element.tag != 0x7FE00010 or rng.random() < 0.3]
    for element in rng.sample(found, min(rng.choice((1, 1, 2)), len(found))):
        parents = [made, *(item for each in made.iterall() if each.VR == "SQ" for item in each.value)]
        (inside,) = [each for each in parents if any(held is element for held in each)][:1] or [None]
        if inside is None:
            continue
        how = rng.randrange(4)
        values = {"US": (0, 1, 65535), "IS": ("0", "-1", "2147483647"), "DS": ("0", "1e300", "-1", "0.00001")}
        if how == 0:
            del inside[element.tag]
        elif how == 1:
            element._value = None if element.VR != "SQ" else pydicom.Sequence()
        elif element.VR == "SQ":
            element.value.append(rng.choice(list(element.value) or [pydicom.Dataset()]))
        elif element.VR in values:
            again = rng.choice((1, 1, element.VM, 7))
            element.value = [rng.choice(values[element.VR]) for _ in range(again)] if again > 1 else rng.choice(values[element.VR])
        elif element.VR in ("OB", "OW"):
            element.value = element.value[: rng.randrange(0, 30, 2)]
        else:
            element.value = rng.choice(("", "1.2.3", "X"))
    buffer = io.BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


Damage = Callable[[bytes, Rng], bytes]
BY_SUFFIX: dict[str, tuple[Damage, ...]] = {
    ".json": (another_value, another_value, another_value, another_word, encoded),
    ".xml": (another_word, another_word, with_entities, another_element, encoded),
    ".csv": (another_word, another_word, another_value, encoded),
    ".txt": (another_word, another_word, encoded),
    ".yaml": (another_word, encoded),
    ".png": (another_image, another_image),
    ".tif": (another_image,),
    ".parquet": (another_table, another_table, another_table),
    ".nii": (another_volume, another_volume),
    ".gz": (another_volume, another_volume),
    ".dcm": (another_dicom, another_dicom, another_dicom),
}


def change_content(path: Path, rng: Rng) -> str:
    """Damage what a file holds; returns the name of the way."""
    how = rng.choice((changed_bytes, *BY_SUFFIX.get(path.suffix, ())))
    path.write_bytes(how(path.read_bytes(), rng))
    return how.__name__


def change_file(root: Path, file: Path, rng: Rng) -> str:
    """Damage a file of a dataset as a whole: gone, renamed, a link, a folder, a pipe; returns the name of the way."""
    path, depth = root / file, len(file.parts)
    ways: dict[str, Callable[[Path], object]] = {
        "gone": Path.unlink,
        "empty": lambda path: path.write_bytes(b""),
        "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "renamed": lambda path: path.rename(path.with_name(rng.choice(("new\nline", "é ☃", "x" * 200, "-x", "..x")) + path.suffix)),
        "other suffix": lambda path: path.rename(path.with_suffix(rng.choice((".PNG", ".json", ".txt", ".xml")))),
        "hidden": lambda path: path.rename(path.with_name(f".{path.name}")),
        "twice": lambda path: path.with_name(f"copy {path.name}").write_bytes(path.read_bytes()),
        "link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
        "link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
        "link to its folder": lambda path: (path.unlink(), path.symlink_to(".")),
        "folder beside it is a link upwards": lambda path: (path.parent / "loop").symlink_to(".."),
        "a folder": lambda path: (path.unlink(), path.mkdir()),
        "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
        "endless": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        "its folder is gone": lambda path: path.parent.rename(path.parents[1] / "moved"),
    }
    if depth < 2:
        del ways["its folder is gone"]
    name = rng.choice(list(ways))
    ways[name](path)
    return name
