"""What is written and read: one set of rows that every engine writes, with the corners of each type."""

import datetime as dt
import decimal
import math
import uuid

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

UTC = dt.timezone.utc
D = decimal.Decimal
# name, Iceberg's type, Arrow's, PostgreSQL's
COLUMNS = [
    ("id", LongType(), pa.int64(), "bigint"),
    ("flag", BooleanType(), pa.bool_(), "boolean"),
    ("i", IntegerType(), pa.int32(), "integer"),
    ("l", LongType(), pa.int64(), "bigint"),
    ("f", FloatType(), pa.float32(), "real"),
    ("d", DoubleType(), pa.float64(), "double precision"),
    ("price", DecimalType(9, 2), pa.decimal128(9, 2), "numeric(9,2)"),
    ("large", DecimalType(38, 10), pa.decimal128(38, 10), "numeric(38,10)"),
    ("s", StringType(), pa.string(), "text"),
    ("x", BinaryType(), pa.binary(), "bytea"),
    ("u", UUIDType(), pa.uuid(), "uuid"),
    ("day", DateType(), pa.date32(), "date"),
    ("local", TimestampType(), pa.timestamp("us"), "timestamp"),
    ("at", TimestamptzType(), pa.timestamp("us", "UTC"), "timestamptz"),
    ("tags", ListType(100, StringType(), element_required=False), pa.list_(pa.string()), "text[]"),
]
NAMES = [c[0] for c in COLUMNS]
ROWS = [
    (
        1,
        True,
        1,
        2,
        1.5,
        2.5,
        D("12.50"),
        D("1.0000000001"),
        "x",
        b"\x00\xff",
        uuid.UUID("01234567-89ab-cdef-0123-456789abcdef"),
        dt.date(2024, 2, 29),
        dt.datetime(2024, 2, 29, 1, 2, 3, 456789),
        dt.datetime(2024, 2, 29, 1, 2, 3, 456789, UTC),
        ["a", None, ""],
    ),
    (
        2,
        False,
        -(2**31),
        -(2**63),
        math.nan,
        -math.inf,
        D("-9999999.99"),
        D("-9999999999999999999999999999.9999999999"),
        "",
        b"",
        uuid.UUID(int=0),
        dt.date(1969, 12, 31),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
        [],
    ),
    (
        3,
        True,
        2**31 - 1,
        2**63 - 1,
        math.inf,
        math.nan,
        D("9999999.99"),
        D("9999999999999999999999999999.9999999999"),
        "ü/ %=&?#\n\\'\"",
        bytes(range(256)),
        uuid.UUID(int=2**128 - 1),
        dt.date(9999, 12, 31),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        ["x" * 300],
    ),
    (4, None, None, None, None, None, None, None, None, None, None, None, None, dt.datetime(1970, 1, 1, tzinfo=UTC), None),
    (
        5,
        False,
        0,
        0,
        -0.0,
        -0.0,
        D("-0.01"),
        D("0E-10"),
        "NULL",
        b"\\",
        uuid.UUID(int=1),
        dt.date(1, 1, 1),
        dt.datetime(1, 1, 1, 0, 0, 0, 1),
        dt.datetime(1, 1, 1, 0, 0, 0, 1, UTC),
        [None],
    ),
]
CLOCKS = [(1, dt.time(0, 0)), (2, dt.time(23, 59, 59, 999999)), (3, None)]


def schema():
    return Schema(*[NestedField(i + 1, name, t, required=False) for i, (name, t, _, _) in enumerate(COLUMNS)])


def clock_schema():
    return Schema(
        NestedField(1, "id", LongType(), required=False),
        NestedField(2, "t", TimeType(), required=False),
        NestedField(3, "at", TimestamptzType(), required=False),
    )


def arrow(rows, text_of_uuid=False):
    """The rows as an Arrow table; Spark has no uuid: it writes them as text."""
    columns = list(zip(*rows))
    out = {}
    for (name, _, t, _), column in zip(COLUMNS, columns):
        if name == "u":
            t, column = (pa.string(), [v and str(v) for v in column]) if text_of_uuid else (t, [v and v.bytes for v in column])
        out[name] = pa.array(column, t)
    return pa.table(out)
