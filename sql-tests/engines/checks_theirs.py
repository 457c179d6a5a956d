"""What other engines write, and fqgw reads."""

import datetime as dt
import decimal

import pyarrow as pa

import lake
from values import CLOCKS, NAMES, ROWS, UTC, arrow, clock_schema, schema


class Lake:
    """The engines, and what all checks do with them."""

    def __init__(self, fqgw, ice, duck, spark, files):
        self.fqgw, self.ice, self.duck, self.spark, self.files = fqgw, ice, duck, spark, files
        self.others = [ice, duck, spark]

    def source(self, table, event_time="at"):
        name = table.split(".")[-1]
        self.fqgw.sql(f"DROP SOURCE IF EXISTS {name} CASCADE")
        self.fqgw.sql(f"CREATE SOURCE {name} WITH (connector = 'iceberg', table = '{table}', event_time = '{event_time}')")
        return name

    def same(self, table, columns, want=None, without=(), of=None, **where):
        """All engines read the same rows of a table, those that are wanted; what fqgw calls it may be another name. A condition, where, is
        written as all of them understand it."""
        want = want if want is None else lake.cells(want)
        read = []
        for e in self.others + [self.fqgw]:
            if e in without:
                continue
            got = e.rows(of or table.split(".")[-1], columns, **where) if e is self.fqgw else e.rows(table, columns, **where)
            if want is None:
                want = got
            if got != want:
                a, b = next(((a, b) for a, b in zip(got + [None] * len(want), want + [None] * len(got)) if a != b))
                cell = next((f"{c}: {x} is not {y}" for c, x, y in zip(columns, a or (), b or ()) if x != y), "")
                raise AssertionError(f"{e.name} reads {table}{where or ''}: {len(got)} rows, want {len(want)}; {a} is not {b}; {cell}")
            read.append(e.name)
        return f"{len(want)} rows x {len(columns)} columns read alike by {', '.join(read)}"


def cents(v):
    return decimal.Decimal(v).quantize(decimal.Decimal("0.01"))


def values(on):
    """Every type with its corners, written by each engine into tables of version 2 and 3."""
    did = []
    for version in "2", "3":
        t = "shop.values" + version
        on.ice.catalog.create_table(t, schema(), properties={"format-version": version})
        written = []
        for e in on.others:
            if e is on.ice and version == "3":
                continue  # pyiceberg 0.12 does not write manifests of version 3
            shifted = [(r[0] + 10 * len(written), *r[1:]) for r in ROWS]
            e.append(t, arrow(shifted, text_of_uuid=e is on.spark))
            written += shifted
        on.source(t)
        did.append(f"version {version}: " + on.same(t, NAMES, written))
    return "; ".join(did)


def clocks(on):
    """time, which Spark has not."""
    on.ice.catalog.create_table("shop.clocks", clock_schema())
    at = dt.datetime(2024, 1, 1, tzinfo=UTC)
    on.ice.append(
        "shop.clocks",
        pa.table(
            {
                "id": pa.array([c[0] for c in CLOCKS]),
                "t": pa.array([c[1] for c in CLOCKS], pa.time64("us")),
                "at": pa.array([at] * len(CLOCKS), pa.timestamp("us", "UTC")),
            }
        ),
    )
    on.source("shop.clocks")
    return on.same("shop.clocks", ["id", "t"], CLOCKS, without=[on.spark])


def deletes(on):
    """Rows deleted by position, by deletion vector and by equality; what was inserted later stays."""
    did = []
    for version in "2", "3":
        for who, engine in ("spark", on.spark), ("duck", on.duck):
            t = f"shop.deletes_{who}{version}"
            on.spark.sql(f"""CREATE TABLE lake.{t} (id int, who string, price decimal(9,2), at timestamp) USING iceberg TBLPROPERTIES (
                'format-version' = '{version}', 'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read',
                'write.merge.mode' = 'merge-on-read')""")
            for start in 0, 20:
                on.spark.sql(f"""INSERT INTO lake.{t} SELECT /*+ COALESCE(1) */ cast(id AS int),
                        CASE id % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE concat('w', id % 5) END,
                    cast(id * -0.25 AS decimal(9,2)), timestamp '1970-01-01' + make_dt_interval(0, cast(id AS int) - 20)
                    FROM range({start}, {start + 20}) AS r(id)""")
            name = on.source(t)
            want = [
                (
                    i,
                    [None, "", "w2", "w3", "w4"][i % 5],
                    decimal.Decimal(-i) / 4,
                    dt.datetime(1970, 1, 1, tzinfo=UTC) + dt.timedelta(hours=i - 20),
                )
                for i in range(40)
            ]
            engine.sql(f"DELETE FROM lake.{t} WHERE id IN (3, 7, 25)")
            engine.sql(f"DELETE FROM lake.{t} WHERE id = 8")
            engine.sql(f"UPDATE lake.{t} SET price = 1 WHERE id = 30")
            want = [(*r[:2], decimal.Decimal(1), r[3]) if r[0] == 30 else r for r in want if r[0] not in (3, 7, 8, 25)]
            kinds = {r[0] for r in on.spark.sql(f"SELECT file_format FROM lake.{t}.delete_files").collect()}
            assert kinds == ({"PARQUET"} if version == "2" else {"PUFFIN"}), kinds
            did.append(
                f"{engine.name}, version {version}: "
                + on.same(t, ["id", "who", "price", "at"], [(a, b, cents(c), d) for a, b, c, d in want])
            )
            on.spark.delete_equal(t, "who", ["w2", None])
            on.spark.delete_equal(t, "id", [1, 31])
            on.spark.sql(f"INSERT INTO lake.{t} VALUES (100, 'w2', 1, timestamp '1970-01-01'), (101, NULL, 1, timestamp '1970-01-01')")
            at = dt.datetime(1970, 1, 1, tzinfo=UTC)
            want = [r for r in want if r[1] not in ("w2", None) and r[0] not in (1, 31)] + [(100, "w2", 1, at), (101, None, 1, at)]
            # pyiceberg 0.12 refuses equality deletes.
            on.same(t, ["id", "who", "price", "at"], [(a, b, cents(c), d) for a, b, c, d in want], without=[on.ice])
            n = on.fqgw.sql(f"SELECT count(*) FROM {name} WHERE at < '1970-01-01'").fetchone()[0]
            assert n == sum(r[3] < at for r in want), n
    return "; ".join(did)


def evolution(on):
    """Columns widened, renamed, added, dropped, moved and made again, nested ones too; rows of before and after."""
    t = "shop.evolution"
    on.spark.sql(f"""CREATE TABLE lake.{t} (id int, who string, f float, n decimal(5,2), at timestamp, p struct<a: int, b: string>,
            xs array<struct<u: int>>,
        m map<string, int>) USING iceberg""")
    on.spark.sql(f"""INSERT INTO lake.{t} VALUES (1, 'a', 1.5, 1.25, timestamp '2024-01-01', struct(1, 'x'), array(struct(1)), map('k', 1)),
        (2, 'b', 2.5, -1.25, timestamp '1969-12-31 23:59:59.999999', struct(2, NULL), NULL, map())""")
    on.source(t)
    on.same(t, ["id", "who", "f", "n", "at", "p"])
    for change in (
        "ALTER COLUMN id TYPE bigint",
        "ALTER COLUMN f TYPE double",
        "ALTER COLUMN n TYPE decimal(12,2)",
        "RENAME COLUMN who TO customer",
        "ADD COLUMN extra string AFTER id",
        "ALTER COLUMN at FIRST",
        "RENAME COLUMN p.a TO q",
        "ADD COLUMN p.c double",
        "DROP COLUMN p.b",
        "ADD COLUMN xs.element.v string",
    ):
        on.spark.sql(f"ALTER TABLE lake.{t} {change}")
    on.fqgw.refused("SELECT who FROM evolution", "42703", 'no column "who"')
    on.spark.sql(f"""INSERT INTO lake.{t} (id, customer, f, n, at, p, xs, m, extra) VALUES (3000000000, 'c', 1e300, 1234567890.12,
            timestamp '2024-01-03',
        named_struct('q', 3, 'c', 1.5D), array(named_struct('u', 5, 'v', 'w')), map('j', NULL), 'e')""")
    on.fqgw.refused("SELECT id FROM evolution", "22003", 'Column "id" of table "shop.evolution"')
    on.source(t)
    did = on.same(t, ["id", "customer", "f", "n", "at", "extra", "p"])
    on.same(
        t,
        ["id", "p", "xs"],
        [
            (1, {"q": 1, "c": None}, [{"u": 1, "v": None}]),
            (2, {"q": 2, "c": None}, None),
            (3000000000, {"q": 3, "c": 1.5}, [{"u": 5, "v": "w"}]),
        ],
        without=[on.ice],
    )  # pyiceberg 0.12 reads the array that is NULL as an empty one
    on.same(t, ["extra"], [(None,), (None,), ("e",)])  # alone, of files that do not have it
    on.spark.sql(f"ALTER TABLE lake.{t} DROP COLUMN customer")
    on.spark.sql(f"ALTER TABLE lake.{t} ADD COLUMN customer int")
    on.source(t)
    on.same(t, ["id", "customer"], [(1, None), (2, None), (3000000000, None)])
    return did


def defaults(on):
    """A column that was added with a default has it in the rows of before (version 3)."""
    t = "shop.defaults"
    on.spark.sql(f"CREATE TABLE lake.{t} (id int, at timestamp) USING iceberg TBLPROPERTIES ('format-version' = '3')")
    on.spark.sql(f"INSERT INTO lake.{t} VALUES (1, timestamp '2024-01-01'), (2, timestamp '2024-01-02')")
    types, literal = on.spark.jvm.org.apache.iceberg.types.Types, on.spark.jvm.org.apache.iceberg.expressions.Literal
    change = on.spark.table(t).updateSchema().addColumn("k", types.IntegerType.get(), "", literal.of(7))
    change.addRequiredColumn("s", types.StringType.get(), "", literal.of("none")).commit()
    on.spark.sql(f"INSERT INTO lake.{t} VALUES (3, timestamp '2024-01-03', NULL, 'x')")
    on.source(t)
    on.same(t, ["k"], [(7,), (7,), (None,)])
    return on.same(t, ["id", "k", "s"], [(1, 7, "none"), (2, 7, "none"), (3, None, "x")])


def partitions(on):
    """Every transform, over every type that it takes; the partitions changed again and again, values with odd characters in them."""
    t = "shop.partitions"
    on.spark.sql(
        f"""CREATE TABLE lake.{t} (id bigint, s string, x binary, n decimal(9,2), d date, local timestamp_ntz, at timestamp) USING iceberg
        PARTITIONED BY (days(at), bucket(4, s), truncate(2, s))"""
    )
    columns = ["id", "s", "x", "n", "d", "local", "at"]

    def insert(start, end):
        on.spark.sql(f"""INSERT INTO lake.{t} SELECT id, CASE id % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE concat('ü/ %=?&#', id) END,
            IF(id % 4 = 0, NULL, unhex(hex(id))), IF(id % 6 = 0, NULL, cast(id * -0.37 AS decimal(9,2))), IF(id % 7 = 0, NULL,
            date_add(date '1970-01-01', cast(id AS int) - 20)),
            timestamp_ntz '1970-01-01' + make_dt_interval(cast(id AS int) - 20, 0, 0, 0.000001),
            timestamp '1970-01-01' + make_dt_interval(cast(id AS int) - 20, 0, 0, -0.000001)
            FROM range({start}, {end}) AS r(id)""")

    insert(0, 20)
    changes = [
        ("bucket(4, s)", "n"),
        ("days(at)", "hours(local)"),
        ("truncate(2, s)", "s"),
        ("n", "bucket(8, n)"),
        ("s", "truncate(1, x)"),
        ("hours(local)", "years(d)"),
        ("bucket(8, n)", "months(local)"),
        ("truncate(1, x)", "bucket(3, x)"),
        ("years(d)", "truncate(50, n)"),
    ]
    for i, (old, new) in enumerate(changes):
        on.spark.sql(f"ALTER TABLE lake.{t} REPLACE PARTITION FIELD {old} WITH {new}")
        insert(20 + 3 * i, 23 + 3 * i)
    on.source(t)
    did = on.same(t, columns)
    for where in (
        "at >= timestamp '1970-01-01 00:00:00' AND at < timestamp '1970-01-20 00:00:00'",
        "at < timestamp '1970-01-01 00:00:00'",
        "s = ''",
        "s IS NULL",
        "d > date '1970-01-03'",
        "n < -5",
    ):
        got = on.fqgw.sql(f"SELECT count(*), sum(id) FROM partitions WHERE {where}").fetchone()
        want = tuple(on.spark.sql(f"SELECT count(*), sum(id) FROM lake.{t} WHERE {where}").collect()[0])
        assert tuple(map(str, got)) == tuple(map(str, want)), (where, got, want)
    return f"{did}; {len(changes)} changes of the partitions"


def imported(on):
    """IMPORT FOREIGN SCHEMA makes a source of each table of a namespace, whoever made it."""
    on.spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.news")
    on.spark.sql("CREATE TABLE lake.news.by_spark (id bigint, at timestamp) USING iceberg")
    on.duck.sql('CREATE TABLE lake.news.by_duck (id bigint, "at" timestamptz)')
    on.ice.catalog.create_table("news.by_ice", pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", "UTC"))]))
    on.fqgw.sql("IMPORT FOREIGN SCHEMA news FROM SERVER lake INTO public")
    for name in "by_spark", "by_duck", "by_ice":
        on.spark.sql(f"INSERT INTO lake.news.{name} VALUES (1, timestamp '1969-12-31 23:59:59.999999')")
        on.same("news." + name, ["id", "at"], [(1, dt.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC))])
    return "3 sources"


def views(on):
    """A view over a table that others change says the same online, AS OF now() and in Spark, whatever they did."""
    t = "shop.follow"
    on.spark.sql(f"""CREATE TABLE lake.{t} (id bigint, who string, amount decimal(9,2), at timestamp) USING iceberg TBLPROPERTIES (
        'write.delete.mode' = 'merge-on-read')""")
    on.spark.sql(f"""INSERT INTO lake.{t} SELECT id, concat('w', id % 3), cast(id AS decimal(9,2)),
            timestamp '2024-01-01' + make_dt_interval(0, cast(id AS int))
        FROM range(30) AS r(id)""")
    on.source(t)
    on.fqgw.sql("""CREATE FEATURE VIEW followed AS SELECT who, count(*) OVER w AS n, sum(amount) OVER w AS total, max(id) OVER w AS last
        FROM follow WINDOW w AS (PARTITION BY who ORDER BY at RANGE UNBOUNDED PRECEDING)""")
    done = []

    def check(what):
        on.fqgw.sql("SELECT fqgw.sync()")
        want = lake.cells(
            tuple(r)
            for r in on.spark.sql(f"SELECT who, count(*), sum(amount), max(id) FROM lake.{t} WHERE who IS NOT NULL GROUP BY who").collect()
        )
        online = lake.cells(on.fqgw.sql("SELECT who, n, total, last FROM followed WHERE who IN ('w0', 'w1', 'w2', 'new')").fetchall())
        asof = lake.cells(on.fqgw.sql("SELECT who, n, total, last FROM followed AS OF now()").fetchall())
        assert online == asof == want, f"after {what}: online {online}, AS OF now() {asof}, Spark {want}"
        done.append(what)

    check("CREATE")
    expire = f"CALL lake.system.expire_snapshots(table => '{t}', older_than => timestamp '2100-01-01', retain_last => 1)"
    more = pa.table(
        {
            "id": pa.array([104], pa.int64()),
            "who": ["w2"],
            "amount": pa.array([decimal.Decimal("7.77")], pa.decimal128(9, 2)),
            "at": pa.array([dt.datetime(2024, 5, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        }
    )
    for what, do in {
        "Spark's INSERT": lambda: on.spark.sql(
            f"INSERT INTO lake.{t} VALUES (100, 'w0', -5, timestamp '1969-12-31 23:59:59.5'), (101, 'new', 1, timestamp '2024-05-01')"
        ),
        "DuckDB's INSERT": lambda: on.duck.sql(
            f"INSERT INTO lake.{t} VALUES (102, 'w1', -0.01, '2024-05-01 00:00:00+00'), (103, NULL, 1, '2024-05-01 00:00:00+00')"
        ),
        "pyiceberg's append": lambda: on.ice.append(t, more),
        "Spark's DELETE": lambda: on.spark.sql(f"DELETE FROM lake.{t} WHERE id = 4"),
        "DuckDB's DELETE": lambda: on.duck.sql(f"DELETE FROM lake.{t} WHERE id = 5"),
        "an equality delete": lambda: on.spark.delete_equal(t, "who", ["new"]),
        "rewrite_data_files": lambda: on.spark.sql(
            f"CALL lake.system.rewrite_data_files(table => '{t}', options => map('rewrite-all', 'true'))"
        ),
        "expire_snapshots": lambda: on.spark.sql(expire),
        "INSERT and expire_snapshots": lambda: [
            on.spark.sql(f"INSERT INTO lake.{t} VALUES (105, 'w0', 1, timestamp '2024-05-03')"),
            on.spark.sql(expire),
        ],
        "a rollback": lambda: [
            on.spark.sql(f"INSERT INTO lake.{t} VALUES (106, 'w0', 1, timestamp '2024-05-03')"),
            on.spark.sql(f"CALL lake.system.rollback_to_snapshot('{t}', {on.ice.catalog.load_table(t).metadata.snapshots[0].snapshot_id})"),
        ],
        "INSERT OVERWRITE": lambda: on.spark.sql(f"INSERT OVERWRITE lake.{t} SELECT * FROM lake.{t} WHERE id < 10"),
        "ADD COLUMN": lambda: [
            on.spark.sql(f"ALTER TABLE lake.{t} ADD COLUMN z int"),
            on.spark.sql(f"INSERT INTO lake.{t} VALUES (107, 'w0', 1, timestamp '2024-05-03', 5)"),
        ],
    }.items():
        do()
        check(what)
    on.spark.sql(f"DROP TABLE lake.{t} PURGE")
    on.fqgw.refused("SELECT * FROM followed AS OF now()", "42P01", "shop.follow")
    on.spark.sql(f"CREATE TABLE lake.{t} (id bigint, who string, amount decimal(9,2), at timestamp) USING iceberg")
    on.spark.sql(f"INSERT INTO lake.{t} VALUES (1, 'w0', 1, timestamp '2024-05-03'), (2, 'w0', 1, timestamp '2024-05-03')")
    check("DROP and CREATE")
    return "online, AS OF now() and Spark agree after " + ", ".join(done)


CHECKS = {
    "values of other engines": values,
    "times of day of other engines": clocks,
    "deletes": deletes,
    "schema evolution": evolution,
    "defaults of columns": defaults,
    "partition evolution": partitions,
    "IMPORT FOREIGN SCHEMA": imported,
    "views over tables of others": views,
}
