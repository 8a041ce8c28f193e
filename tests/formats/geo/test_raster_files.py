"""Names of classes beside a raster: GDAL's table and names, and ArcGIS's dBASE table."""

import struct
from pathlib import Path

import pytest

from segdata.core.finding import Defect
from segdata.formats.geo.raster_files import read_class_names

GDAL_TABLE = """<PAMDataset>
<PAMRasterBand band="2"><CategoryNames><Category>no</Category></CategoryNames></PAMRasterBand>
<PAMRasterBand band="1"><GDALRasterAttributeTable tableType="thematic">
  <FieldDefn index="0"><Name>V</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
  <FieldDefn index="1"><Name>N</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
  <FieldDefn index="2"><Name>R</Name><Type>1</Type><Usage>6</Usage></FieldDefn>
  <FieldDefn index="3"><Name>G</Name><Type>1</Type><Usage>7</Usage></FieldDefn>
  <FieldDefn index="4"><Name>B</Name><Type>1</Type><Usage>8</Usage></FieldDefn>
  <Row index="0"><F>11</F><F>Open water</F><F>0</F><F>0.5</F><F>1</F></Row>
  <Row index="1"><F>41</F><F>Wald &amp; Wiese</F><F>0</F><F>0</F><F>0</F></Row>
  <Row index="2"><F>0.5</F><F>between</F><F>0</F><F>0</F><F>0</F></Row>
  <Row index="3"><F>7</F><F></F><F>0</F><F>0</F><F>0</F></Row>
</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""
NAMED = """<PAMDataset><PAMRasterBand band="1"><CategoryNames>
  <Category></Category><Category>road</Category><Category>void</Category></CategoryNames></PAMRasterBand></PAMDataset>"""
BY_NAME = """<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable>
  <FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>0</Usage></FieldDefn>
  <FieldDefn index="1"><Name>Count</Name><Type>0</Type><Usage>0</Usage></FieldDefn>
  <FieldDefn index="2"><Name>Class_Name</Name><Type>2</Type><Usage>0</Usage></FieldDefn>
  <Row index="0"><F>3</F><F>99</F><F>house</F></Row></GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""


def said(path: Path, band: int = 1) -> list[tuple[object, ...]]:
    defects: list[Defect] = []
    found = read_class_names(path, path.name, band, defects)
    assert defects == []
    return [(each.id, each.name, each.kind, each.rgb) for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GDAL_TABLE, [(11, "Open water", "stuff", (0, 128, 255)), (41, "Wald & Wiese", "stuff", (0, 0, 0))]),
        (NAMED, [(1, "road", "stuff", None), (2, "void", "void", None)]),
        (BY_NAME, [(3, "house", "stuff", None)]),
        ("<PAMDataset/>", []),
    ],
)
def test_names_of_gdal(tmp_path: Path, text: str, expected: list[object]) -> None:
    (tmp_path / "a.tif.aux.xml").write_text(text, encoding="utf-8")
    assert said(tmp_path / "a.tif") == expected


def dbf(fields: list[tuple[str, int]], records: list[list[str]]) -> bytes:
    """A dBASE III table of texts; the second record is deleted."""
    size = 1 + sum(length for _, length in fields)
    head = struct.pack("<BBBBIHH20x", 3, 125, 1, 1, len(records), 32 + 32 * len(fields) + 1, size)
    for name, length in fields:
        head += struct.pack("<11sc4xBB14x", name.encode(), b"C", length, 0)
    rows = [
        (b"*" if k == 1 else b" ")
        + b"".join(cell.encode().ljust(length) for cell, (_, length) in zip(row, fields, strict=True))
        for k, row in enumerate(records)
    ]
    return head + b"\r" + b"".join(rows) + b"\x1a"


def test_names_of_arcgis(tmp_path: Path) -> None:
    fields = [("Value", 9), ("Count", 9), ("Class_Name", 12), ("Red", 3), ("Green", 3), ("Blue", 3)]
    rows = [["1", "80", "Straße", "200", "0", "7"], ["2", "9", "gone", "0", "0", "0"], ["3.0", "1", "b", "", "0", "0"]]
    (tmp_path / "a.tif.vat.dbf").write_bytes(dbf(fields, rows))
    assert said(tmp_path / "a.tif") == [(1, "Straße", "stuff", (200, 0, 7)), (3, "b", "stuff", None)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tif.aux.xml", b"<PAMDataset>"),
        ("a.tif.aux.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><PAMDataset>&b;</PAMDataset>'),
        ("a.tif.vat.dbf", b"\x03"),
        ("a.tif.vat.dbf", dbf([("Value", 9), ("Name", 9)], [["1", "a"]])[:-12]),
        ("a.tif.vat.dbf", struct.pack("<BBBBIHH20x", 3, 1, 1, 1, 2**32 - 1, 33, 1) + b"\r"),
        ("a.tif.vat.dbf", struct.pack("<BBBBIHH20x", 3, 1, 1, 1, 2, 65535, 9)),
    ],
)
def test_tables_that_cannot_be_read_are_defects(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    defects: list[Defect] = []
    assert read_class_names(tmp_path / "a.tif", "masks/a.tif", 1, defects) == ()
    assert [(each.code, each.file) for each in defects] == [("SEG001", f"masks/{name}")]
