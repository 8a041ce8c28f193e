"""Ways to damage what only its own format knows: images, tables, volumes and DICOM files, each still readable."""

import gzip
import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Rng = random.Random


def png_claiming(data: bytes, width: int, height: int) -> bytes:
    """A PNG whose header says another size, and whose checksum is right."""
    header = struct.pack(">II", width, height) + data[24:29]
    return data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


def another_image(data: bytes, rng: Rng) -> bytes:
    """An image of another kind, size or content, or one whose header claims another size."""
    buffer, side = io.BytesIO(), np.random.default_rng(rng.randrange(2**32))
    how = rng.randrange(7)
    if how < 2 and data[:4] == b"\x89PNG":
        return png_claiming(data, *rng.choice([(100_000, 100_000), (2**31 - 1, 1), (0, 5), (7, 5), (40_000, 50_000)]))
    size = rng.choice([(30, 40), (30, 40), (3, 2), (1, 1)])
    kind, shape = rng.choice([("u1", ()), ("u1", (3,)), ("u1", (4,)), ("u1", (2,)), ("u2", ())])
    pixels = side.integers(0, rng.choice((2, 256, 2**16) if kind == "u2" else (2, 256)), (*size, *shape), np.int64)
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


def another_chunk(data: bytes, rng: Rng) -> bytes:
    """A PNG with a chunk that is cut, longer, of other bytes, gone, twice or elsewhere; check sums are right."""
    if data[:4] != b"\x89PNG":
        return data
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += size + 12
    k = rng.randrange(len(chunks))
    name, body = chunks[k]
    how = rng.randrange(7)
    if how == 0:
        chunks[k] = name, body[: rng.randrange(len(body) + 1)]
    elif how == 1:
        chunks[k] = name, body + rng.randbytes(rng.randrange(1, 800))
    elif how == 2 and body:
        put = rng.randrange(len(body))
        chunks[k] = name, body[:put] + rng.randbytes(1) + body[put + 1 :]
    elif how == 3:
        del chunks[k]
    elif how == 4:
        chunks.insert(rng.randrange(len(chunks) + 1), chunks[k])
    elif how == 5:
        other = rng.choice((b"tRNS", b"PLTE", b"eXIf", b"iTXt", b"zTXt", b"acTL", b"gAMA", b"iCCP"))
        chunks.insert(rng.randrange(1, len(chunks) + 1), (other, rng.randbytes(rng.randrange(20))))
    else:
        rng.shuffle(chunks)
    made = data[:8]
    for name, body in chunks:
        made += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return made


def another_footer(data: bytes, rng: Rng) -> bytes:
    """Parquet with up to three other bytes in its footer: names, types and places of columns."""
    size = min(int.from_bytes(data[-8:-4], "little"), len(data) - 12)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        changed[len(data) - 8 - rng.randrange(1, max(size, 2))] = rng.choice((0, 255, 128, rng.randrange(256)))
    return bytes(changed)


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
        lambda: table.set_column(at, name, table[name].take(pa.array([0] * n, pa.int64()))),
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
            element.value = (
                [rng.choice(values[element.VR]) for _ in range(again)] if again > 1 else rng.choice(values[element.VR])
            )
        elif element.VR in ("OB", "OW"):
            element.value = element.value[: rng.randrange(0, 30, 2)]
        else:
            element.value = rng.choice(("", "1.2.3", "X"))
    buffer = io.BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()
