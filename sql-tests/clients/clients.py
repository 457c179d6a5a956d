#!/usr/bin/env python3
"""The clients that a data scientist has, with their defaults, against a running gateway.

    clients.py HOST:PORT

The gateway's directory must be new. Every check compares whole answers; the last line is `N passed, N failed`.
"""
import asyncio
import datetime as dt
import decimal
import sys
import traceback

import adbc_driver_postgresql.dbapi as adbc
import asyncpg
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import sqlalchemy as sa

UTC = dt.timezone.utc
EVENTS = [  # user_id, price, ts
    (1, 2.5, dt.datetime(2026, 3, 1, 12, 0, tzinfo=UTC)),
    (1, 3.5, dt.datetime(2026, 3, 1, 12, 10, tzinfo=UTC)),
    (2, 7.0, dt.datetime(2026, 3, 1, 12, 20, tzinfo=UTC)),
]
LABELS = pd.DataFrame(
    {
        # pandas keeps integers with a missing value as float64.
        "user_id": [1, 1, 2, None, 9],
        "at": pd.to_datetime(["2026-03-01 12:05Z", "2026-03-01 12:30Z", "2026-03-01 12:30Z", "2026-03-01 12:30Z", "2026-03-01 12:30Z"]),
        "bought": [True, False, True, False, True],
        "note": ["a", "b", None, "d", "e"],
    }
)
TRAINING = """SELECT l.note, u.clicks, u.mean, u.mean_or_zero
              FROM {labels} AS l LEFT JOIN user_clicks AS OF l.at AS u ON u.user_id = l.user_id ORDER BY l.at, l.note NULLS FIRST"""
TRAINED = [("a", 1, 2.5, 2.5), (None, 1, 7.0, 7.0), ("b", 2, 3.0, 3.0), ("d", None, None, 0.0), ("e", 0, None, 0.0)]


def define(host, port):
    with psycopg.connect(host=host, port=port, dbname="fqgw", user="ana", autocommit=True) as c:
        c.execute("""CREATE SOURCE clicks (user_id bigint NOT NULL, price double precision CHECK (price >= 0), ts timestamptz NOT NULL)
                     WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts', known_time = 'event_time')""")
        c.execute("""CREATE FEATURE VIEW user_clicks AS
                     SELECT user_id, count(*) OVER w AS clicks, avg(price) OVER w AS mean, COALESCE(avg(price) OVER w, 0) AS mean_or_zero
                     FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING)""")
        c.execute("COMMENT ON COLUMN user_clicks.clicks IS 'clicks of the last hour'")
        with c.cursor() as k:
            k.executemany("INSERT INTO clicks VALUES (%s, %s, %s)", EVENTS)
        c.execute("SELECT fqgw.sync()")


def rows(frame):
    """The rows of a pandas or polars frame, a missing value as None."""
    if isinstance(frame, pl.DataFrame):
        return frame.rows()
    return [tuple(None if pd.isna(v) else v for v in row) for row in frame.itertuples(index=False, name=None)]


class Checks:
    def __init__(self, host, port):
        self.host, self.port = host, port
        self.uri = f"postgresql://ana@{host}:{port}/fqgw"
        self.engine = sa.create_engine(f"postgresql+psycopg://ana@{host}:{port}/fqgw")

    # SQLAlchemy and pandas

    def sqlalchemy_reflects(self):
        m = sa.MetaData()
        m.reflect(self.engine, views=True)
        assert {"clicks", "user_clicks"} <= set(m.tables), set(m.tables)
        v = m.tables["user_clicks"]
        assert [(c.name, str(c.type)) for c in v.columns] == [
            ("user_id", "BIGINT"), ("clicks", "BIGINT"), ("mean", "DOUBLE PRECISION"), ("mean_or_zero", "DOUBLE PRECISION")], v.columns
        assert [c.name for c in v.primary_key] == ["user_id"], v.primary_key
        assert v.columns["clicks"].comment == "clicks of the last hour", v.columns["clicks"].comment

    def sqlalchemy_inspects(self):
        i = sa.inspect(self.engine)
        assert i.get_table_names() == ["clicks"] and i.get_materialized_view_names() == ["user_clicks"]
        assert i.get_pk_constraint("user_clicks")["constrained_columns"] == ["user_id"]
        assert [c["sqltext"] for c in i.get_check_constraints("clicks")] != [], "the source's CHECK is not shown"
        for f in (i.get_foreign_keys, i.get_indexes, i.get_unique_constraints):
            assert f("clicks") == []

    def pandas_read_sql_table(self):
        with self.engine.connect() as c:
            c.execute(sa.text("SET fqgw.as_of = '2026-03-01 12:30Z'"))
            got = pd.read_sql_table("user_clicks", c).sort_values("user_id")
        assert rows(got) == [(1, 2, 3.0, 3.0), (2, 1, 7.0, 7.0)], got
        assert [str(t) for t in got.dtypes] == ["int64", "int64", "float64", "float64"], got.dtypes

    def pandas_training_set(self):
        LABELS.to_sql("labels_pd", self.engine, index=False)
        got = pd.read_sql(TRAINING.format(labels="labels_pd"), self.engine)
        assert rows(got) == TRAINED, got
        LABELS.to_sql("labels_pd", self.engine, index=False, if_exists="append", method="multi")
        assert pd.read_sql("SELECT count(*) AS n FROM labels_pd", self.engine)["n"][0] == 10
        LABELS.to_sql("labels_pd", self.engine, index=False, if_exists="replace")
        back = pd.read_sql_table("labels_pd", self.engine)
        assert rows(back.sort_values("note")) == rows(LABELS.sort_values("note")), back

    def pandas_to_sql_defaults(self):
        LABELS.to_sql("labels_default", self.engine)  # with its index: CREATE INDEX
        got = pd.read_sql('SELECT "index", note FROM labels_default ORDER BY 1', self.engine, index_col="index")
        assert list(got.index) == [0, 1, 2, 3, 4] and rows(got) == [("a",), ("b",), (None,), ("d",), ("e",)], got

    def pandas_chunks(self):
        with self.engine.connect().execution_options(stream_results=False) as c:
            sizes = [len(f) for f in pd.read_sql("SELECT * FROM generate_series(1, 10) AS g", c, chunksize=4)]
        assert sizes == [4, 4, 2], sizes

    def sqlalchemy_rolls_back(self):
        with self.engine.connect() as c:
            c.execute(sa.text("CREATE TABLE gone (a int)"))
            c.execute(sa.text("INSERT INTO gone VALUES (1)"))
            c.rollback()
        assert not sa.inspect(self.engine).has_table("gone")

    # ADBC and polars

    def adbc_types(self):
        with adbc.connect(self.uri) as c, c.cursor() as k:
            k.execute("""SELECT true, 1::int2, 2::int4, 3::int8, 1.5::real, 2.5::float8, 'x'::text, '\\x00ff'::bytea,
                                date '2026-03-01', timestamp '2026-03-01 12:00', timestamptz '2026-03-01 12:00Z', ARRAY[1, NULL]::int4[]""")
            t = k.fetch_arrow_table()
        assert [str(f.type) for f in t.schema] == ["bool", "int16", "int32", "int64", "float", "double", "string", "binary", "date32[day]",
                                                   "timestamp[us]", "timestamp[us, tz=UTC]", "list<item: int32>"], t.schema
        assert list(t.to_pylist()[0].values()) == [True, 1, 2, 3, 1.5, 2.5, "x", b"\x00\xff", dt.date(2026, 3, 1), dt.datetime(2026, 3, 1, 12),
                                                   dt.datetime(2026, 3, 1, 12, tzinfo=UTC), [1, None]], t.to_pylist()

    def adbc_parameters(self):
        with adbc.connect(self.uri) as c, c.cursor() as k:
            k.execute("SELECT clicks, mean FROM user_clicks AS OF timestamptz '2026-03-01 12:30Z' WHERE user_id = $1", (1,))
            assert k.fetchall() == [(2, 3.0)]

    def adbc_objects(self):
        with adbc.connect(self.uri) as c:
            assert str(c.adbc_get_table_schema("user_clicks").field("clicks").type) == "int64"
            tables = {t["table_name"]: t["table_type"]
                      for catalog in c.adbc_get_objects(depth="tables").read_all().to_pylist()
                      for schema in catalog["catalog_db_schemas"] if schema["db_schema_name"] == "public"
                      for t in schema["db_schema_tables"]}
        assert tables.get("user_clicks") == "materialized view" and tables.get("clicks") == "table", tables

    def adbc_ingests(self):
        table = pa.table({
            "user_id": pa.array([1, None], pa.int64()),
            "at": pa.array([dt.datetime(2026, 3, 1, 12, 30, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
            "note": pa.array(["x", None]),
        })
        with adbc.connect(self.uri) as c, c.cursor() as k:
            k.adbc_ingest("labels_adbc", table, mode="create")
            c.commit()
            k.execute("SELECT l.note, u.clicks FROM labels_adbc AS l LEFT JOIN user_clicks AS OF l.at AS u ON u.user_id = l.user_id ORDER BY 1")
            assert k.fetchall() == [("x", 2), (None, None)]

    def polars_reads(self):
        q = "SELECT * FROM user_clicks AS OF timestamptz '2026-03-01 12:30Z' ORDER BY user_id"
        got = pl.read_database_uri(q, self.uri, engine="adbc")
        assert got.schema == pl.Schema({"user_id": pl.Int64, "clicks": pl.Int64, "mean": pl.Float64, "mean_or_zero": pl.Float64}), got.schema
        assert rows(got) == [(1, 2, 3.0, 3.0), (2, 1, 7.0, 7.0)], got
        with self.engine.connect() as c:
            assert rows(pl.read_database(q, c)) == rows(got)

    def polars_training_set(self):
        labels = pl.from_pandas(LABELS)
        labels.write_database("labels_pl", self.uri, engine="adbc")
        got = pl.read_database_uri(TRAINING.format(labels="labels_pl"), self.uri, engine="adbc")
        assert rows(got) == TRAINED, got
        labels.write_database("labels_pl", self.uri, engine="adbc", if_table_exists="append")
        assert pl.read_database_uri("SELECT count(*) AS n FROM labels_pl", self.uri, engine="adbc")["n"][0] == 10
        labels.write_database("labels_pl", self.uri, engine="adbc", if_table_exists="replace")
        assert pl.read_database_uri("SELECT count(*) AS n FROM labels_pl", self.uri, engine="adbc")["n"][0] == 5

    # drivers

    def psycopg_types(self):
        with psycopg.connect(self.uri) as c:
            for binary in (False, True):
                got = c.cursor(binary=binary).execute(
                    "SELECT 1.50::numeric, '1 day 02:00'::interval, '{\"a\": 1}'::jsonb, ROW(1::int2, 'x'::text), ARRAY['a', NULL]").fetchone()
                assert got[:3] == (decimal.Decimal("1.50"), dt.timedelta(days=1, hours=2), {"a": 1}) and got[4] == ["a", None], got

    def psycopg_pipeline(self):
        with psycopg.connect(self.uri, autocommit=True) as c, c.pipeline():
            cursors = [c.execute("SELECT clicks FROM user_clicks AS OF timestamptz '2026-03-01 12:30Z' WHERE user_id = %s", (u,)) for u in (1, 2, 3)]
            assert [k.fetchall() for k in cursors] == [[(2,)], [(1,)], []]

    def psycopg_copies(self):
        with psycopg.connect(self.uri) as c:
            with c.cursor().copy("COPY (SELECT user_id, clicks FROM user_clicks AS OF '2026-03-01 12:30Z' ORDER BY 1) TO STDOUT") as copy:
                assert list(copy.rows()) == [("1", "2"), ("2", "1")]

    def asyncpg_reads(self):
        async def run():
            c = await asyncpg.connect(self.uri)
            try:
                got = await c.fetch("SELECT user_id, clicks FROM user_clicks AS OF $1::timestamptz WHERE user_id = ANY($2::int8[]) ORDER BY 1",
                                    EVENTS[2][2], [1, 2, 3])
                assert [tuple(r) for r in got] == [(1, 2), (2, 1)], got
                assert await c.fetchval("SELECT ROW(1::int2, 'x'::text, ROW(2.5::float8))") == (1, "x", (2.5,))
                async with c.transaction():
                    assert [r["g"] async for r in c.cursor("SELECT g FROM generate_series(1, 120) AS g")] == list(range(1, 121))
            finally:
                await c.close()

        asyncio.run(run())


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    define(host, port)
    checks, passed, failed = Checks(host, port), 0, 0
    for name in [n for n, f in vars(Checks).items() if callable(f) and not n.startswith("_")]:
        try:
            getattr(checks, name)()
            passed += 1
        except Exception:
            failed += 1
            print(f"--- FAIL: {name}")
            traceback.print_exc(limit=-2, chain=False)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
