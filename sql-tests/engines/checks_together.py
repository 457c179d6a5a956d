"""Other engines on fqgw's own tables, and at the same time."""

import decimal
import threading

import lake
import pyarrow as pa


def hands(on):
    """Other engines append to a history, rewrite it, delete from it and change its columns: nothing is lost, views say what Spark says."""
    on.fqgw.sql("""CREATE SOURCE touched (id bigint, who text, amount numeric(9,2), at timestamptz) WITH (connector = 'kafka',
            topic = 'touched', format = 'json',
        event_time = 'at', known_time = 'event_time')""")
    on.fqgw.sql("""INSERT INTO touched SELECT i, 'w' || (i % 3), i, '2024-01-01'::timestamptz + i * interval '1 hour'
            FROM generate_series(0, 29) AS g(i)""")
    on.fqgw.sql("SELECT fqgw.sync()")
    on.fqgw.sql("""CREATE FEATURE VIEW touching AS SELECT who, count(*) OVER w AS n, sum(amount) OVER w AS total, max(id) OVER w AS last
        FROM touched WINDOW w AS (PARTITION BY who ORDER BY at RANGE UNBOUNDED PRECEDING)""")
    on.fqgw.sql("VACUUM touched")
    t, done = "lake.lake.touched", []

    def check(what):
        on.fqgw.sql("SELECT fqgw.sync()")
        want = lake.cells(
            tuple(r)
            for r in on.spark.sql(f"SELECT who, count(*), sum(amount), max(id) FROM {t} WHERE who IS NOT NULL GROUP BY who").collect()
        )
        for when in "before", "after":
            asof = lake.cells(on.fqgw.sql("SELECT who, n, total, last FROM touching AS OF now()").fetchall())
            rows = lake.cells(
                on.fqgw.sql("SELECT who, count(*), sum(amount), max(id) FROM touched WHERE who IS NOT NULL GROUP BY who").fetchall()
            )
            assert asof == rows == want, f"after {what}, {when} VACUUM: AS OF now() {asof}, rows {rows}, Spark {want}"
            on.fqgw.sql("VACUUM touched")
        done.append(what)

    check("landing")
    nulls = ", ".join(["NULL"] * 6)
    rewrite = f"CALL lake.system.rewrite_data_files(table => '{t}', options => map('rewrite-all', 'true')"
    inserted = iter(range(200, 300))

    def produce():
        on.fqgw.sql(f"INSERT INTO touched VALUES ({next(inserted)}, 'w0', 1, '2024-06-01 00:00Z')")

    for what, do in {
        "Spark's INSERT": lambda: on.spark.sql(
            f"""INSERT INTO {t} SELECT *, {nulls} FROM VALUES (100L, 'w0', -5, timestamp '1969-12-31 23:59:59.5'), (101L, 'new', 1,
                timestamp '2024-05-01')"""
        ),
        "DuckDB's INSERT": lambda: on.duck.sql(
            f"INSERT INTO {t} (id, who, amount, \"at\") VALUES (102, 'w1', -0.01, '2024-05-01 00:00:00+00')"
        ),
        "rewrite_data_files": lambda: on.spark.sql(rewrite + ")"),
        "landing after it": produce,
        "rewrite_data_files in another order": lambda: on.spark.sql(rewrite + ", strategy => 'sort', sort_order => 'id DESC')"),
        "Spark's DELETE": lambda: on.spark.sql(f"DELETE FROM {t} WHERE id = 4"),
        "Spark's DELETE by position": lambda: [
            on.spark.sql(f"ALTER TABLE {t} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')"),
            on.spark.sql(f"DELETE FROM {t} WHERE id = 5"),
        ],
        "DuckDB's DELETE": lambda: on.duck.sql(f"DELETE FROM {t} WHERE id = 6"),
        "expire_snapshots": lambda: on.spark.sql(
            f"CALL lake.system.expire_snapshots(table => '{t}', older_than => timestamp '2100-01-01', retain_last => 1)"
        ),
        "landing after expire_snapshots": produce,
        "rewrite_manifests": lambda: on.spark.sql(f"CALL lake.system.rewrite_manifests('{t}')"),
        "ADD COLUMN": lambda: [on.spark.sql(f"ALTER TABLE {t} ADD COLUMN z int"), produce()],
        "a wider column": lambda: [on.spark.sql(f"ALTER TABLE {t} ALTER COLUMN amount TYPE decimal(20,2)"), produce()],
    }.items():
        do()
        check(what)
    on.spark.sql(f"ALTER TABLE {t} RENAME COLUMN amount TO price")
    on.fqgw.refused("SELECT * FROM touching AS OF now()", "42703", 'column "amount" is no longer in table "lake.touched"')
    on.fqgw.sql("SELECT id, who FROM touched")
    on.spark.sql(f"ALTER TABLE {t} RENAME COLUMN price TO amount")
    check("RENAME COLUMN and back")
    return "AS OF now(), rows and Spark agree after " + ", ".join(done)


def values(on):
    """What PostgreSQL's types forbid is refused where it is read."""
    on.fqgw.sql("CREATE TABLE narrow (id int NOT NULL, small smallint, word varchar(5), j jsonb, n numeric)")
    on.fqgw.sql("INSERT INTO narrow VALUES (1, 1, 'a', '{}', 1)")
    t = "lake.lake.narrow"
    on.spark.sql(f"INSERT INTO {t} VALUES (2, 7, 'abc', '{{\"b\":1, \"a\":2}}', '2.50')")
    want = [(1, 1, "a", {}, decimal.Decimal(1)), (2, 7, "abc", {"a": 2, "b": 1}, decimal.Decimal("2.50"))]
    got = on.fqgw.rows("narrow", ["id", "small", "word", "j", "n"])
    assert got == lake.cells(want), got
    on.spark.sql(f"INSERT INTO {t} VALUES (NULL, 70000, 'too long', '{{', 'x')")
    for column, code in (("id", "23502"), ("small", "22003"), ("word", "22001"), ("j", "22P02"), ("n", "22P02")):
        on.fqgw.refused(f"SELECT {column} FROM narrow", code, f'Column "{column}" of table "lake.narrow" at snapshot ')
    on.spark.sql(f"DELETE FROM {t} WHERE small = 70000")
    got = on.fqgw.rows("narrow", ["id", "small", "word", "j", "n"])
    assert got == lake.cells(want), got
    return "5 values refused, read again after Spark deleted them"


def appends(on):
    """Other engines append to one table while fqgw inserts: every row that was acknowledged is there, and none twice.

    DuckDB is not among them: two DuckDB 1.5.5 alone lose rows that they acknowledged on this catalog, for they commit by its
    /v1/transactions/commit, of which the reference adapter says yes to a commit that came second.
    """
    on.fqgw.sql("CREATE TABLE crowded (who text, n bigint)")
    on.fqgw.sql("INSERT INTO crowded VALUES ('first', 0)")
    acknowledged, trouble = [], {}

    def worker(name, append, times):
        for n in range(times):
            try:
                append(name, n)
                acknowledged.append((name, n))
            except Exception as e:  # pyiceberg gives up a commit that came second four times
                trouble.setdefault(name, []).append(str(e).splitlines()[0][:100])

    gateway = lake.Gateway(on.fqgw.address)
    threads = [
        threading.Thread(target=worker, args=a)
        for a in (
            ("fqgw", lambda who, n: gateway.sql("INSERT INTO crowded VALUES (%s, %s)", who, n), 20),
            ("pyiceberg", lambda who, n: on.ice.append("lake.crowded", pa.table({"who": [who], "n": pa.array([n], pa.int64())})), 8),
            ("Spark", lambda who, n: on.spark.sql(f"INSERT INTO lake.lake.crowded VALUES ('{who}', {n})"), 5),
        )
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert "fqgw" not in trouble, trouble
    columns = ["who", "n"]
    want = lake.cells([("first", 0), *acknowledged])
    for e, table in ((on.ice, "lake.crowded"), (on.spark, "lake.crowded"), (on.duck, "lake.crowded"), (on.fqgw, "crowded")):
        got = e.rows(table, columns)
        assert sorted(got) == sorted(want), f"{e.name}: lost {set(want) - set(got)}, not acknowledged {set(got) - set(want)}"
    return f"{len(want)} rows, all there" + "".join(f"; {name} was refused {len(e)} times" for name, e in trouble.items())


def compacted(on):
    """Reads go on while another engine rewrites the files and expires the snapshots: the right rows, or an error that says what is gone."""
    t = "lake.shop.moving"
    on.spark.sql(f"CREATE TABLE {t} (id bigint, who string, at timestamp) USING iceberg")
    on.spark.sql(f"""INSERT INTO {t} SELECT id, concat('w', id % 7), timestamp '2024-01-01' + make_dt_interval(0, 0, 0,
            cast(id AS int)) FROM range(20000) AS r(id)""")
    on.source("shop.moving")
    want = on.fqgw.sql("SELECT count(*), sum(id) FROM moving").fetchone()
    stop, read, errors, wrong = threading.Event(), [0], [], []

    def reader():
        gateway = lake.Gateway(on.fqgw.address)
        while not stop.is_set():
            try:
                got = gateway.sql("SELECT count(*), sum(id) FROM moving").fetchone()
                read[0] += 1
                if got != want:
                    wrong.append(got)
            except lake.psycopg.Error as e:
                errors.append((e.sqlstate, e.diag.message_primary))

    threads = [threading.Thread(target=reader) for _ in range(2)]
    for r in threads:
        r.start()
    try:
        for _ in range(3):
            on.spark.sql("CALL lake.system.rewrite_data_files(table => 'shop.moving', options => map('rewrite-all', 'true'))")
            on.spark.sql(
                "CALL lake.system.expire_snapshots(table => 'shop.moving', older_than => timestamp '2100-01-01', retain_last => 1)"
            )
    finally:
        stop.set()
        for r in threads:
            r.join()
    assert not wrong, wrong
    for code, message in errors:
        assert code == "58P01" and "shop.moving" in message, (code, message)
    assert on.fqgw.sql("SELECT count(*), sum(id) FROM moving").fetchone() == want
    return f"{read[0]} right answers, {len(errors)} errors that name the file"


CHECKS = {
    "a history under other hands": hands,
    "values that PostgreSQL forbids": values,
    "appends at the same time": appends,
    "reads under rewrite and expiry": compacted,
}
