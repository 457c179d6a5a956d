"""DuckDB's side of BenchmarkForeignParquet.

make DIR ROWS LABELS           writes hist_arrival.parquet, hist_sorted.parquet and labels.parquet
lake DIR DATA                  writes the tables shop.hist_arrival and shop.hist_sorted by pyiceberg, into the lake of DATA
answer DIR ORDER OUT           answers by each of the forms, prints their CPU seconds and greatest memory as JSON, and
                               how many rows of OUT, which fqgw wrote, are not the same
"""
import json
import os
import resource
import subprocess
import sys

import duckdb

F = [f"f{i}" for i in range(6)]


def make(folder, rows, labels):
    """(entity, ts) is unique, so that there is one right answer; entities are skewed as a power law of -0.8."""
    con = duckdb.connect()
    con.execute("SELECT setseed(0.5)")
    con.execute("SET threads = 1")  # the same each time
    con.execute(f"""CREATE TABLE h AS SELECT floor(power(random(), 5) * 100000)::BIGINT AS entity,
        make_timestamp(1767225600000000 + i * {90 * 86400 * 10**6 // rows} + (random() * {90 * 86400 * 10**6 // rows - 1})::BIGINT) AS ts,
        (random() + random() + random()) * 2 - 3 AS f0, random() AS f1, round(-50 * ln(random() + 1e-9), 2) AS f2, round(random() * 80 - 40, 1) AS f3,
        floor(random() * 1000) AS f4, CASE WHEN random() > 0.1 THEN (random() * 10)::FLOAT::DOUBLE END AS f5,
        (-60e6 * ln(random() + 1e-9))::BIGINT AS late FROM range({rows}) AS r(i)""")
    con.execute(f"""COPY (SELECT i AS label_id, floor(power(random(), 5) * 101000)::BIGINT AS entity,
        make_timestamp(1767225600000000 + (30 * 86400e6 + random() * 60 * 86400e6)::BIGINT) AS ts FROM range({labels}) AS r(i))
        TO '{folder}/labels.parquet' (COMPRESSION zstd)""")
    for order, by in (("arrival", "epoch_us(ts) + late"), ("sorted", "entity, ts")):
        con.execute(f"COPY (SELECT * EXCLUDE late FROM h ORDER BY {by}) TO '{folder}/hist_{order}.parquet' (COMPRESSION zstd, ROW_GROUP_SIZE 245760)")


def late(con, lab, hist, out):
    con.execute(f"CREATE TEMP TABLE k AS SELECT entity, min(ts) - INTERVAL 30 DAY AS lo, max(ts) AS hi FROM '{lab}' GROUP BY entity")
    con.execute(f"CREATE TEMP TABLE l AS SELECT * FROM '{lab}'")
    con.execute(f"""CREATE TEMP TABLE m AS SELECT l.label_id, h.rn FROM l ASOF JOIN (SELECT h.entity, h.ts, h.file_row_number AS rn
        FROM read_parquet('{hist}', file_row_number=true) h JOIN k ON h.entity = k.entity WHERE h.ts BETWEEN k.lo AND k.hi) h
        ON l.entity = h.entity AND l.ts >= h.ts WHERE l.ts - h.ts <= INTERVAL 30 DAY""")
    con.execute(f"""CREATE TEMP TABLE r AS SELECT m.label_id, {', '.join('h.' + f for f in F)} FROM read_parquet('{hist}', file_row_number=true) h
        JOIN m ON h.file_row_number = m.rn""")
    copy(con, f"SELECT l.label_id, l.entity, l.ts, {', '.join('r.' + f for f in F)} FROM l LEFT JOIN r ON l.label_id = r.label_id", out)


def cut(con, lab, hist, out):
    con.execute(f"CREATE TEMP TABLE k AS SELECT entity, min(ts) - INTERVAL 30 DAY AS lo, max(ts) AS hi FROM '{lab}' GROUP BY entity")
    asof(con, lab, f"(SELECT h.* FROM '{hist}' h JOIN k ON h.entity = k.entity WHERE h.ts BETWEEN k.lo AND k.hi)", out)


def plain(con, lab, hist, out):
    asof(con, lab, f"'{hist}'", out)


def asof(con, lab, hist, out):
    young = ", ".join(f"CASE WHEN l.ts - h.ts <= INTERVAL 30 DAY THEN h.{f} END AS {f}" for f in F)
    copy(con, f"SELECT l.label_id, l.entity, l.ts, {young} FROM '{lab}' l ASOF LEFT JOIN {hist} h ON l.entity = h.entity AND l.ts >= h.ts", out)


def copy(con, sql, out):
    con.execute(f"COPY ({sql}) TO '{out}' (FORMAT parquet, COMPRESSION snappy)")


def one(form, folder, order):
    """In a process of its own, so that nothing is warm but the files."""
    u = resource.getrusage(resource.RUSAGE_SELF)
    con = duckdb.connect(config={"threads": 2})
    con.execute("SET preserve_insertion_order = false")
    globals()[form](con, f"{folder}/labels.parquet", f"{folder}/hist_{order}.parquet", f"{folder}/duckdb.parquet")
    v = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": v.ru_utime + v.ru_stime - u.ru_utime - u.ru_stime, "mb": v.ru_maxrss / 1024}))


def answer(folder, order, out):
    got = {form: json.loads(subprocess.check_output([sys.executable, os.path.abspath(__file__), "one", form, folder, order]))
           for form in ("late", "cut", "plain")}
    con = duckdb.connect()
    values = ", ".join(f"{{t}}.{c}" for c in ["entity", *F])
    rows, different = con.execute(f"""SELECT count(*), count(*) FILTER (({values.format(t='a')}) IS DISTINCT FROM ({values.format(t='b')}))
        FROM '{folder}/duckdb.parquet' a FULL JOIN '{out}' b ON a.label_id = b.label_id""").fetchone()
    print(json.dumps({"forms": got, "rows": rows, "different": different}))


def lake(folder, data):
    import pyarrow.parquet
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog("fqgw", type="sql", uri=f"sqlite:///{data}/lake.db", warehouse=f"file://{data}/shop")
    catalog.create_namespace("shop")
    for order in ("arrival", "sorted"):
        rows = pyarrow.parquet.read_table(f"{folder}/hist_{order}.parquet")
        catalog.create_table(f"shop.hist_{order}", schema=rows.schema).append(rows)


{"make": lambda d, r, n: make(d, int(r), int(n)), "one": one, "answer": answer, "lake": lake}[sys.argv[1]](*sys.argv[2:])
