#!/usr/bin/env python3
"""DuckDB's side of BenchmarkTrainingSet:  duckdb_training.py DIR QUESTION RUNS

DIR has departures, arrivals, cancellations, weather and labels as Parquet files, and fqgw_QUESTION.parquet, fqgw's answer. The
question is answered RUNS times after one that does not count, each time from the files into DIR/duckdb_QUESTION.parquet. Prints
{"seconds": mean, "rows": …, "different": rows that are not fqgw's, "first": one of them}.

What DuckDB is told that it could not know: a departure, an arrival and a cancellation are known at their event time, the weather an
hour later. A window of length W and hop h begins at floor(T - W, h); times are integers of microseconds.
"""
import json
import math
import sys
import time

import duckdb

DIR, QUESTION, RUNS = sys.argv[1], sys.argv[2], int(sys.argv[3])
MINUTE = 60_000_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE


def file(name):
    return f"'{DIR}/{name}.parquet'"


def asof(table, columns, max_age, known_after=0):
    """The latest row per aircraft or airport, NULL when it is too old: one ASOF join."""
    key = columns["key"]
    picked = ", ".join(f"CASE WHEN l.predict_ts - a.event_ts <= INTERVAL {max_age} MICROSECONDS THEN {sql} END AS {name}" for name, sql in columns["columns"].items())
    return (f"SELECT l.label_id, {picked} FROM {file('labels')} l ASOF LEFT JOIN {file(table)} a "
            f"ON l.{key} = a.{key} AND l.predict_ts - INTERVAL {known_after} MICROSECONDS >= a.event_ts")


def framed(table, keys, aggregates, windows, where="true", labels="true"):
    """Windowed aggregates: each (key, time) of the labels once, in one stream with the events, and a frame per window whose start
    is the window's own. Gives keys, predict_ts and the aggregates."""
    names = ", ".join(keys)
    columns = sorted({c for _, _, _, cs in aggregates for c in cs})
    null = "".join(f", NULL::DOUBLE AS {c}" for c in columns)
    some = "".join(f", {c}::DOUBLE" for c in columns)
    aggs = ", ".join(f"{sql} OVER {w} AS {name}" for name, sql, w, _ in aggregates)
    frames = ", ".join(f"{w} AS (PARTITION BY {names} ORDER BY ts RANGE BETWEEN (ts - (ts - {length}) // {hop} * {hop}) PRECEDING AND CURRENT ROW)"
                       for w, (length, hop) in windows.items())
    return (f"SELECT * FROM (SELECT {names}, ts, asked, {aggs} FROM ("
            f"SELECT DISTINCT {names}, epoch_us(predict_ts) AS ts, true AS asked, NULL::BIGINT AS one{null} FROM {file('labels')} WHERE {labels} UNION ALL "
            f"SELECT {names}, epoch_us(event_ts), false, 1{some} FROM {file(table)} WHERE {where}) WINDOW {frames}) WHERE asked")


H1, H3, D1, D7 = (HOUR, MINUTE), (3 * HOUR, MINUTE), (DAY, 15 * MINUTE), (7 * DAY, HOUR)


def departures(names):
    out = []
    for w in names:
        out += [(f"departures_{w}", "count(one)", w, []), (f"avg_delay_{w}", "avg(dep_delay)", w, ["dep_delay"]),
                (f"max_delay_{w}", "max(dep_delay)", w, ["dep_delay"]), (f"share_late_{w}", "avg((dep_delay > 15)::INT)", w, ["dep_delay"])]
    return out


LATEST = {"key": "tailnum", "columns": {"arr_delay": "a.arr_delay", "dest": "a.dest", "carrier": "a.carrier", "air_time": "a.air_time"}}


def latest():
    return f"SELECT label_id, coalesce(arr_delay, 0) AS arr_delay, dest, carrier, air_time FROM ({asof('arrivals', LATEST, 2 * DAY)})"


def windows():
    aggs = departures(["h1", "h3", "d1"])
    names = ", ".join(f"o.{name} AS {name[:-2]}{name[-1]}{name[-2]}" for name, _, _, _ in aggs)
    return (f"SELECT l.label_id, {names} FROM {file('labels')} l LEFT JOIN ({framed('departures', ['origin'], aggs, {'h1': H1, 'h3': H3, 'd1': D1})}) o "
            f"ON o.origin = l.origin AND o.ts = epoch_us(l.predict_ts)")


def service():
    delay = [("avg_delay", "avg(dep_delay)", "h3", ["dep_delay"])]
    o = framed("departures", ["origin"], delay + [("share_late", "avg((dep_delay > 15)::INT)", "h3", ["dep_delay"])], {"h3": H3})
    c = framed("departures", ["origin", "carrier"], delay, {"h3": H3})
    f = framed("departures", ["tailnum"], [("flights", "count(one)", "d1", [])], {"d1": D1}, "tailnum IS NOT NULL", "tailnum IS NOT NULL")
    weather = {"key": "origin", "columns": {"bad": "a.visib < 3 OR a.wind_speed > 25 OR a.precip > 0.1"}}
    return (f"SELECT l.label_id, l.delayed, o.share_late AS share_late_3h, c.avg_delay - o.avg_delay AS carrier_excess_3h, coalesce(w.bad, false) AS bad_weather, "
            f"f.flights AS flights_1d, coalesce(a.arr_delay, 0) AS arr_delay, a.dest AS last_dest FROM {file('labels')} l "
            f"LEFT JOIN ({o}) o ON o.origin = l.origin AND o.ts = epoch_us(l.predict_ts) "
            f"LEFT JOIN ({c}) c ON c.origin = l.origin AND c.carrier = l.carrier AND c.ts = epoch_us(l.predict_ts) "
            f"LEFT JOIN ({f}) f ON f.tailnum = l.tailnum AND f.ts = epoch_us(l.predict_ts) "
            f"LEFT JOIN ({asof('arrivals', LATEST, 2 * DAY)}) a ON a.label_id = l.label_id "
            f"LEFT JOIN ({asof('weather', weather, 3 * HOUR, HOUR)}) w ON w.label_id = l.label_id")


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return a == b


def rows(con, engine):
    answer = con.execute(f"SELECT * FROM {file(engine + '_' + QUESTION)} ORDER BY label_id")
    return [d[0] for d in answer.description], answer.fetchall()


def main():
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")
    sql = f"COPY ({globals()[QUESTION]()}) TO {file('duckdb_' + QUESTION)} (FORMAT parquet, COMPRESSION zstd)"
    con.execute(sql)
    begun = time.perf_counter()
    for _ in range(RUNS):
        con.execute(sql)
    seconds = (time.perf_counter() - begun) / RUNS
    (titles, theirs), (own_titles, own) = rows(con, "fqgw"), rows(con, "duckdb")
    if titles != own_titles:
        raise SystemExit(f"columns {titles} and {own_titles}")
    wrong = [(a, b) for a, b in zip(theirs, own) if not all(map(same, a, b))]
    different = len(wrong) + abs(len(theirs) - len(own))
    print(json.dumps({"seconds": seconds, "rows": len(theirs), "different": different, "first": str(wrong[:1])}))


main()
