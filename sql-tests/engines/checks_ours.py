"""What fqgw writes, and other engines read."""

import datetime as dt
import os

import pyarrow.dataset
import pyarrow.parquet
from pyspark.sql.functions import col

import lake
from values import CLOCKS, COLUMNS, NAMES, ROWS, UTC

DEFINITION = ", ".join(f'"{name}" {typ}' for name, _, _, typ in COLUMNS)
HIDDEN = ["_fq_epoch", "_fq_partition", "_fq_offset", "_fq_known_at"]


def insert(on, table, rows=ROWS):
    with on.fqgw.connection.cursor() as c:
        c.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(COLUMNS))})", rows)


def tables(on):
    """CREATE TABLE and INSERT, CREATE TABLE AS, divided by values with odd characters in them."""
    on.fqgw.sql(f"CREATE TABLE ours ({DEFINITION})")
    insert(on, "ours")
    did = on.same("lake.ours", NAMES, ROWS)
    on.fqgw.sql("CREATE TABLE copied AS SELECT * FROM ours")
    on.same("lake.copied", NAMES, ROWS)
    on.fqgw.sql("CREATE TABLE divided WITH (partition_by = 's, day, flag') AS SELECT * FROM ours")
    on.same("lake.divided", NAMES, ROWS)
    for s, day in ((r[NAMES.index("s")], r[NAMES.index("day")]) for r in ROWS):
        if s is not None:  # as one divides by it, files are passed over
            found = on.spark.session.table("lake.lake.divided").where(col("s") == s).where(f"day = date '{day.isoformat()}'").count()
            assert found == 1, f"Spark finds {found} rows where s = {s!r} and day = {day}"
    on.fqgw.sql("CREATE TABLE clocks_of_ours (id bigint, t time)")
    for row in CLOCKS:
        on.fqgw.sql("INSERT INTO clocks_of_ours VALUES (%s, %s)", *row)
    on.same("lake.clocks_of_ours", ["id", "t"], CLOCKS, without=[on.spark])
    return did


def wide(on):
    """Types that Iceberg has not are wider ones, or text."""
    on.fqgw.sql("CREATE TABLE wide (id int, small smallint, word varchar(10), n numeric, j jsonb, smalls smallint[])")
    on.fqgw.sql("""INSERT INTO wide VALUES (1, -32768, 'a', 1.10, '{"b": 1, "a": [1, null]}', '{1,NULL}'), (2, 32767, '', 'NaN', 'null',
            '{}'), (3, NULL, NULL, NULL, NULL, NULL)""")
    want = [
        (1, -32768, "a", "1.10", '{"a": [1, null], "b": 1}', [1, None]),
        (2, 32767, "", "NaN", "null", []),
        (3, None, None, None, None, None),
    ]
    return on.same("lake.wide", ["id", "small", "word", "n", "j", "smalls"], want, without=[on.fqgw])


def history(on):
    """The history of a source, as it landed and compacted, and the runs in the order of two entities."""
    on.fqgw.sql(f"""CREATE SOURCE events ({DEFINITION}) WITH (connector = 'kafka', topic = 'events', format = 'json', event_time = 'at',
            known_time = 'event_time',
        max_future = '4000000 days')""")
    insert(on, "events", ROWS[:3])
    on.fqgw.sql("SELECT fqgw.sync()")
    insert(on, "events", ROWS[3:])
    on.fqgw.sql("SELECT fqgw.sync()")
    rows = [(*r, 0, 0, i, r[NAMES.index("at")]) for i, r in enumerate(ROWS)]
    did = on.same("lake.events", NAMES + HIDDEN, rows)
    on.fqgw.sql("CREATE FEATURE VIEW by_text AS SELECT DISTINCT ON (s) s, d, price, x, tags FROM events ORDER BY s, at DESC")
    on.fqgw.sql("""CREATE FEATURE VIEW by_two AS SELECT id, u, count(*) OVER w AS n FROM events WINDOW w AS (PARTITION BY id,
            u ORDER BY at RANGE '1 day' PRECEDING)""")
    on.fqgw.sql("VACUUM events")
    on.same("lake.events", NAMES + HIDDEN, rows)
    runs = 0
    for run, keys in (("lake.events by s", ["s"]), ("lake.events by id,u", ["id", "u"])):  # one name, with a dot in it
        keyed = [r for r in rows if all(r[NAMES.index(k)] is not None for k in keys)]
        want = lake.cells(keyed)
        for e, name in ((on.ice, ("sorted", run)), (on.duck, f'sorted."{run}"'), (on.spark, f"sorted.`{run}`")):
            got = e.rows(name, NAMES + HIDDEN)
            assert got == want, f"{e.name} reads {name}: {got}, want {want}"
            runs += 1
    return f"{did}; before and after VACUUM; {runs} readings of runs"


def training(on):
    """A training set, its files, and the snapshot that its tag keeps."""
    on.fqgw.sql("CREATE TABLE labels (k text, at timestamptz)")
    on.fqgw.sql("INSERT INTO labels VALUES ('x', '2024-03-01 00:00Z'), ('', '1970-01-02 00:00Z'), ('never', '2024-03-01 00:00Z')")
    select = "SELECT l.k, l.at, f.d, f.price, f.x, f.tags FROM labels AS l LEFT JOIN by_text AS OF l.at AS f ON f.s = l.k"
    on.fqgw.sql(f"CREATE TABLE trained AS {select}")
    by_k = {r[NAMES.index("s")]: r for r in ROWS}
    columns = ["k", "at", "d", "price", "x", "tags"]
    want = []
    for k, at in (
        ("x", dt.datetime(2024, 3, 1, tzinfo=UTC)),
        ("", dt.datetime(1970, 1, 2, tzinfo=UTC)),
        ("never", dt.datetime(2024, 3, 1, tzinfo=UTC)),
    ):
        want.append((k, at, *(by_k[k][NAMES.index(c)] if k in by_k else None for c in columns[2:])))
    did = on.same("lake.trained", columns, want)
    on.fqgw.sql("INSERT INTO labels VALUES ('later', '2024-03-01 00:00Z')")
    (tag,) = [r for r in on.ice.catalog.load_table("lake.labels").metadata.refs if r.startswith("fqgw-training-")]
    kept = on.spark.sql(f"SELECT count(*) FROM lake.lake.labels VERSION AS OF '{tag}'").collect()[0][0]
    assert kept == 3, kept
    on.fqgw.sql(f"COPY ({select} WHERE l.k <> 'later') TO 'trained.parquet' (FORMAT parquet)")
    on.fqgw.sql("COPY (SELECT * FROM ours) TO 'divided' (FORMAT parquet, PARTITION_BY (s, day))")
    one, many = os.path.join(on.files, "trained.parquet"), os.path.join(on.files, "divided")
    files = [
        ("pyarrow", lake.rows(columns, pyarrow.parquet.read_table(one))),
        ("DuckDB", lake.rows(columns, on.duck.sql(f"SELECT * FROM read_parquet('{one}')").fetch_arrow_table())),
        ("Spark", lake.rows(columns, on.spark.session.read.parquet("file://" + one).toArrow())),
    ]
    for name, got in files:
        assert got == lake.cells(want), f"{name} reads {one}: {got}"
    rest = [n for n in NAMES if n not in ("s", "day")]
    for name, got in (
        ("pyarrow", lake.rows(rest, pyarrow.dataset.dataset(many, partitioning=None).to_table())),
        (
            "DuckDB",
            lake.rows(
                NAMES,
                on.duck.sql(
                    f"SELECT * REPLACE (u::uuid AS u) FROM read_parquet('{many}/**/*.parquet', hive_partitioning = true, "
                    "hive_types = {'s': varchar, 'day': date})"
                ).fetch_arrow_table(),
            ),
        ),
    ):
        full = len(got[0]) == len(NAMES)
        assert got == lake.cells(
            ROWS if full else [tuple(v for v, n in zip(r, NAMES) if n in rest) for r in ROWS]
        ), f"{name} reads {many}: {got}"
    return did + "; COPY's files read by pyarrow, DuckDB and Spark"


CHECKS = {"tables of fqgw": tables, "types that Iceberg has not": wide, "history and runs": history, "training sets and files": training}
