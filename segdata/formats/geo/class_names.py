"""Class names: what GDAL and ArcGIS keep beside a raster about its values, as categories.

`labels.tif.aux.xml` may have names by value, or an attribute table; ArcGIS keeps one in `labels.tif.vat.dbf`. The
columns of a table are known by their usage, or by their names. Tables inside the TIFF itself are not read.
Source: GDAL, doc/source/user/pam (GDALRasterAttributeTable, usages in gcore/gdal_rat.h); dBASE III table files.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from segdata.core.finding import Defect
from segdata.core.taxonomy import Category, Color
from segdata.formats.shared.safe_parsers import XmlError, read_xml
from segdata.formats.shared.taxonomies import kind_from_name

# GFU_MinMax, GFU_Name, GFU_Red, GFU_Green, GFU_Blue
_USAGES = {"5": "value", "2": "name", "6": "red", "7": "green", "8": "blue"}
_COLUMN_NAMES = {
    "value": "value",
    "id": "value",
    "class_name": "name",
    "classname": "name",
    "class_names": "name",
    "category": "name",
    "class": "name",
    "label": "name",
    "name": "name",
    "red": "red",
    "green": "green",
    "blue": "blue",
}
_MAX_ROWS = 2**16  # rows
Rows = Sequence[Mapping[str, str]]  # of value, name, red, green, blue


def read_class_names(path: Path, file: str, band: int, defects: list[Defect]) -> tuple[Category, ...]:
    """The categories named beside a raster, which `file` calls it; empty if nothing names any.

    Files that cannot be read become defects.
    """
    rows: Rows = ()
    pam, dbf = path.with_name(f"{path.name}.aux.xml"), path.with_name(f"{path.name}.vat.dbf")
    try:
        if pam.is_file():
            rows = _parse_pam(read_xml(pam), band)
    except (XmlError, OSError) as error:
        defects.append(Defect("SEG001", f"names of classes cannot be read: {error}", f"{file}.aux.xml"))
    try:
        if not rows and dbf.is_file():
            rows = _parse_dbf(dbf.read_bytes())
    except (struct.error, OSError) as error:
        defects.append(Defect("SEG001", f"names of classes cannot be read: {error}", f"{file}.vat.dbf"))
    categories: dict[int, Category] = {}
    for row in rows:
        category = _category(row)
        if category is not None:
            categories.setdefault(category.id, category)
    return tuple(categories.values())


def _parse_pam(root: Element, band: int) -> Rows:
    """The rows of the attribute table, else the names by value, of a band."""
    for element in root.iter("PAMRasterBand"):
        if element.get("band") == str(band):
            table, names = element.find("GDALRasterAttributeTable"), element.find("CategoryNames")
            if table is not None:
                return _parse_attribute_table(table)
            if names is not None:
                return [{"value": str(k), "name": name.text or ""} for k, name in enumerate(names.iter("Category"))]
    return ()


def _parse_attribute_table(table: Element) -> Rows:
    columns = []
    for field in table.iter("FieldDefn"):
        called = _COLUMN_NAMES.get((field.findtext("Name") or "").strip().lower(), "")
        columns.append((_USAGES.get(field.findtext("Usage") or "") or called, field.findtext("Type") == "1"))
    rows = []
    for row in table.iter("Row"):
        cells: dict[str, str] = {}
        for (column, is_real), cell in zip(columns, row.iter("F"), strict=False):
            text = (cell.text or "").strip()
            # Colours are 0 to 255 in columns of whole numbers, and 0 to 1 in those of real ones.
            share = is_real and column in ("red", "green", "blue")
            cells.setdefault(column, str(round(255 * float(text))) if share and _is_number(text) else text)
        rows.append(cells)
    return rows


def _parse_dbf(data: bytes) -> Rows:
    """The records of a dBASE table; raises struct.error where it is cut off."""
    n_records, head, size = struct.unpack("<IHH", data[4:12])
    fields, position = [], 1  # the first byte of a record says whether it is deleted
    for place in range(32, head - 1, 32):
        name = data[place : place + 11].split(b"\0")[0].decode("latin-1").strip().lower()
        (length,) = struct.unpack("<B", data[place + 16 : place + 17])
        fields.append((_COLUMN_NAMES.get(name, ""), position, position + length))
        position += length
    if n_records > _MAX_ROWS or size < position or len(data) < head + n_records * size:
        raise struct.error("the table is cut off, or holds fewer records than its header says")
    records = [data[head + k * size : head + (k + 1) * size] for k in range(n_records)]
    return [
        {column: record[first:last].decode("utf-8", "replace").strip() for column, first, last in reversed(fields)}
        for record in records
        if record[:1] != b"*"
    ]


def _category(row: Mapping[str, str]) -> Category | None:
    """The category of a row; None for one without a value or a name."""
    value, name = row.get("value", ""), row.get("name", "")
    if not name or not _is_number(value) or not float(value).is_integer() or abs(float(value)) > 2**32:
        return None
    channels = [int(float(text)) for text in map(row.get, ("red", "green", "blue")) if text and _is_number(text)]
    color: Color | None = None
    if len(channels) == 3 and all(0 <= channel <= 255 for channel in channels):
        color = (channels[0], channels[1], channels[2])
    kind = kind_from_name(name)
    return Category(id=int(float(value)), name=name, color=color, kind="stuff" if kind == "thing" else kind)


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < 2**53
    except ValueError:
        return False
