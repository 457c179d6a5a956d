#!/usr/bin/env python3
"""A real Great Expectations against a running gateway as a PostgreSQL data source, and beside a real PostgreSQL.

    expectations.py HOST:PORT POSTGRES_URL

The gateway's directory must be new. One checkpoint runs over the history of a source and over a feature view as of a time, in fqgw and over
tables of PostgreSQL with the same rows: every result must be the same. Then suites become CHECKs by `fqgw import-expectations` ($FQGW is the
program): of the rows of a pandas frame those are refused as records that Great Expectations calls unexpected. The last line is `N passed, N failed`.
"""
import datetime as dt
import decimal
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx  # noqa: E402
import great_expectations.expectations as gxe  # noqa: E402
import pandas as pd  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from great_expectations.expectations.row_conditions import Column  # noqa: E402

# Great Expectations 1.24.1 cannot write the numpy.bool that its quantiles' success is, whatever the database.
json.JSONEncoder.default = lambda _, v: v.item()

UTC = dt.timezone.utc
START = dt.datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AS_OF = "2026-03-01 12:50Z"
COLUMNS = "user_id bigint NOT NULL, price double precision, amount numeric(10,2), kind text, n int, day date, ok boolean, ts timestamptz NOT NULL"


def events():
    """200 rows with NULLs; the same in every run."""
    out, x = [], 7
    for i in range(200):
        x = (x * 1103515245 + 12345) % 2**31
        price = None if x % 11 == 0 else (x % 10007) / 100
        out.append((
            i % 17, price, None if x % 13 == 0 else f"{(x % 99991) / 100:.2f}", ["buy", "view", "cart", None, "zoë"][x // 7 % 5], None if x % 5 == 0 else x % 100,
            dt.date(2026, 1, 1 + x % 28), None if x % 3 == 0 else x % 2 == 0, START + dt.timedelta(seconds=15 * i)))
    return out


def suite(context, columns):
    """The usual expectations, some of which fail."""
    of = {
        "events": [
            gxe.ExpectTableRowCountToEqual(value=200),
            gxe.ExpectTableRowCountToBeBetween(min_value=1, max_value=10),
            gxe.ExpectTableColumnCountToEqual(value=8),
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=["user_id", "price", "amount", "kind", "n", "day", "ok", "ts"]),
            gxe.ExpectTableColumnsToMatchSet(column_set=["ts", "user_id"], exact_match=False),
            gxe.ExpectColumnToExist(column="kind"),
            gxe.ExpectColumnValuesToNotBeNull(column="price"),
            gxe.ExpectColumnValuesToNotBeNull(column="price", mostly=0.5),
            gxe.ExpectColumnValuesToBeNull(column="n"),
            gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0, max_value=90),
            gxe.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=1000, strict_min=True),
            gxe.ExpectColumnValuesToBeBetween(column="ts", min_value=START, max_value=START + dt.timedelta(hours=1)),
            gxe.ExpectColumnValuesToBeInSet(column="kind", value_set=["buy", "view", "cart"]),
            gxe.ExpectColumnValuesToNotBeInSet(column="kind", value_set=["spam"]),
            gxe.ExpectColumnValuesToBeUnique(column="ts"),
            gxe.ExpectColumnValuesToBeUnique(column="user_id"),
            gxe.ExpectColumnValuesToMatchRegex(column="kind", regex="^[a-z]+$"),
            gxe.ExpectColumnValuesToNotMatchRegex(column="kind", regex="^v"),
            gxe.ExpectColumnValuesToMatchRegexList(column="kind", regex_list=["^b", "^v"], match_on="any"),
            gxe.ExpectColumnValuesToMatchLikePattern(column="kind", like_pattern="%r%"),
            gxe.ExpectColumnValueLengthsToBeBetween(column="kind", min_value=3, max_value=3),
            gxe.ExpectColumnValueLengthsToEqual(column="kind", value=4),
            gxe.ExpectColumnValuesToBeOfType(column="user_id", type_="BIGINT"),
            gxe.ExpectColumnValuesToBeOfType(column="price", type_="TEXT"),
            gxe.ExpectColumnValuesToBeInTypeList(column="ts", type_list=["TIMESTAMP", "DATE"]),
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="price", column_B="n"),
            gxe.ExpectColumnPairValuesToBeEqual(column_A="user_id", column_B="n"),
            gxe.ExpectColumnPairValuesToBeInSet(column_A="kind", column_B="n", value_pairs_set=[("buy", 1), ("view", 2)]),
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["user_id", "day"]),
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["user_id", "ts"]),
            gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(column_list=["user_id", "n"]),
            gxe.ExpectMulticolumnSumToEqual(column_list=["user_id", "n"], sum_total=50),
            gxe.ExpectColumnDistinctValuesToBeInSet(column="kind", value_set=["buy", "view"]),
            gxe.ExpectColumnDistinctValuesToContainSet(column="kind", value_set=["buy"]),
            gxe.ExpectColumnDistinctValuesToEqualSet(column="kind", value_set=["buy", "cart", "view", "zoë"]),
            gxe.ExpectColumnMostCommonValueToBeInSet(column="user_id", value_set=[0, 1, 2]),
            gxe.ExpectColumnMinToBeBetween(column="price", min_value=0, max_value=1),
            gxe.ExpectColumnMaxToBeBetween(column="price", min_value=0, max_value=1),
            gxe.ExpectColumnMaxToBeBetween(column="day", min_value=dt.date(2026, 1, 1)),
            gxe.ExpectColumnMeanToBeBetween(column="price", min_value=40, max_value=60),
            gxe.ExpectColumnMeanToBeBetween(column="amount", min_value=0, max_value=1),
            gxe.ExpectColumnMedianToBeBetween(column="price", min_value=40, max_value=60),
            gxe.ExpectColumnSumToBeBetween(column="n", min_value=0),
            gxe.ExpectColumnStdevToBeBetween(column="price", min_value=0, max_value=50),
            gxe.ExpectColumnQuantileValuesToBeBetween(column="price", quantile_ranges={
                "quantiles": [0.1, 0.5, 0.9], "value_ranges": [[0, 20], [40, 60], [0, 1]]}),
            gxe.ExpectColumnQuantileValuesToBeBetween(column="price", allow_relative_error=True, quantile_ranges={
                "quantiles": [0.25], "value_ranges": [[0, 30]]}),
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="kind", min_value=4, max_value=4),
            gxe.ExpectColumnProportionOfUniqueValuesToBeBetween(column="n", min_value=0.1, max_value=0.9),
            gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(column="n", min_value=0.9),
            gxe.ExpectColumnValueZScoresToBeLessThan(column="price", threshold=1.5, double_sided=True),
            gxe.ExpectColumnKLDivergenceToBeLessThan(column="kind", threshold=0.5, partition_object={
                "values": ["buy", "cart", "view", "zoë"], "weights": [0.25, 0.25, 0.25, 0.25]}),
            gxe.ExpectColumnValuesToBeBetween(column="price", min_value=50, row_condition='col("kind") == "buy"', condition_parser="great_expectations"),
            gxe.UnexpectedRowsExpectation(unexpected_rows_query="SELECT * FROM {batch} WHERE price > 99"),
        ],
        "view": [
            gxe.ExpectTableRowCountToEqual(value=17),
            gxe.ExpectTableColumnsToMatchOrderedList(column_list=["user_id", "clicks", "mean", "spend"]),
            gxe.ExpectColumnValuesToBeUnique(column="user_id"),
            gxe.ExpectColumnValuesToNotBeNull(column="mean"),
            gxe.ExpectColumnValuesToBeBetween(column="clicks", min_value=1, max_value=11),
            gxe.ExpectColumnMeanToBeBetween(column="mean", min_value=0, max_value=100),
            gxe.ExpectColumnMedianToBeBetween(column="clicks", min_value=10, max_value=12),
            gxe.ExpectColumnStdevToBeBetween(column="spend", min_value=0),
            gxe.ExpectColumnQuantileValuesToBeBetween(column="mean", quantile_ranges={"quantiles": [0.1, 0.9], "value_ranges": [[0, 50], [50, 100]]}),
            gxe.ExpectColumnValuesToBeOfType(column="clicks", type_="BIGINT"),
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="spend", column_B="mean", or_equal=True),
        ],
    }
    s = gx.ExpectationSuite(name=columns)
    for e in of[columns]:
        s.add_expectation(e)
    return context.suites.add(s)


class Run:
    """Great Expectations over one database."""

    def __init__(self, url):
        self.context = gx.get_context(mode="ephemeral")
        self.context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        self.source = self.context.data_sources.add_postgres("db", connection_string=url)
        self.count = 0

    def check(self, columns, asset):
        """The results of a checkpoint over an asset, by expectation."""
        self.count += 1
        name = f"run{self.count}"
        batch = asset.add_batch_definition_whole_table(name)
        suites = {s.name: s for s in self.context.suites.all()}
        s = suites.get(columns) or suite(self.context, columns)
        v = self.context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=s))
        c = self.context.checkpoints.add(gx.Checkpoint(name=name, validation_definitions=[v], result_format="COMPLETE"))
        (result,) = c.run().run_results.values()
        return [self.plain(r) for r in result.results]

    @staticmethod
    def plain(r):
        """What matters of a result: not the order of rows, which no query asks for."""
        config = r.expectation_config
        out = {"type": config.type, "kwargs": str({k: v for k, v in config.kwargs.items() if k != "batch_id"}), "success": bool(r.success),
               "raised": re.findall("raised_exception': True.*", str(r.exception_info))[:1]}
        for k, v in (r.result or {}).items():
            if k != "unexpected_index_query":
                out[k] = sorted(map(value, v), key=str) if isinstance(v, list) else value(v)
        return out


def value(v):
    """A value of a result as Python has it by itself."""
    if isinstance(v, dict):
        return {str(k): value(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [value(x) for x in v]
    if hasattr(v, "item"):  # numpy's
        v = v.item()
    return float(v) if isinstance(v, decimal.Decimal) else v


def near(a, b):
    """Equal, numbers but for the last digits: PostgreSQL sums doubles as they come, fqgw exactly."""
    if isinstance(a, float) and isinstance(b, (int, float)) or isinstance(b, float) and isinstance(a, int):
        return abs(a - b) <= 1e-12 * max(abs(a), abs(b), 1)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(near(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(near, a, b))
    return a == b


class Checks:
    def __init__(self, host, port, postgres):
        self.fqgw_url = f"postgresql+psycopg2://ana@{host}:{port}/fqgw"
        self.postgres_url = postgres.replace("postgres://", "postgresql+psycopg2://").split("?")[0]
        self.fqgw, self.postgres = sa.create_engine(self.fqgw_url), sa.create_engine(self.postgres_url)
        self.define()

    def define(self):
        insert = "INSERT INTO gx_events VALUES (:a, :b, :c, :d, :e, :f, :g, :h)"
        rows = [dict(zip("abcdefgh", r)) for r in events()]
        with self.fqgw.begin() as c:
            c.execute(sa.text(f"CREATE SOURCE gx_events ({COLUMNS}) WITH (topic = 'gx_events', format = 'json', event_time = 'ts', known_time = 'event_time')"))
        with self.fqgw.begin() as c:
            c.execute(sa.text("""CREATE FEATURE VIEW gx_view AS SELECT user_id, count(*) OVER w AS clicks, avg(price) OVER w AS mean, sum(price) OVER w AS spend
                                 FROM gx_events WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING)"""))
            c.execute(sa.text(f"CREATE VIEW gx_service AS SELECT * FROM gx_view AS OF '{AS_OF}'"))
        with self.fqgw.begin() as c:
            c.execute(sa.text(insert), rows)
        with self.fqgw.begin() as c:
            c.execute(sa.text("SELECT fqgw.sync()"))
        with self.postgres.begin() as c:
            c.execute(sa.text("DROP TABLE IF EXISTS gx_events, gx_view CASCADE"))
            c.execute(sa.text(f"CREATE TABLE gx_events ({COLUMNS})"))
            c.execute(sa.text(insert), rows)
            c.execute(sa.text(f"""CREATE TABLE gx_view AS SELECT user_id, count(*) AS clicks, avg(price) AS mean, sum(price) AS spend
                                  FROM gx_events WHERE ts <= '{AS_OF}' GROUP BY user_id"""))

    def same(self, columns, of_fqgw, of_postgres, fqgw_url=None):
        f, p = Run(fqgw_url or self.fqgw_url), Run(self.postgres_url)
        got, want = f.check(columns, of_fqgw(f.source)), p.check(columns, of_postgres(p.source))
        assert len(got) == len(want) > 5
        bad = [(g, w) for g, w in zip(got, want) if not near(g, w)]
        for g, w in bad:
            print(f"    {g['type']} {g['kwargs']}\n      fqgw       {str(g)[:1500]}\n      PostgreSQL {str(w)[:600]}")
        assert not bad, f"{len(bad)} of {len(got)} results differ"
        assert any(r["success"] for r in got) and not all(r["success"] for r in got) and not any(r["raised"] for r in want), [r for r in want if r["raised"]]

    def history_as_table(self):
        self.same("events", lambda s: s.add_table_asset("a", table_name="gx_events"), lambda s: s.add_table_asset("a", table_name="gx_events"))

    def history_as_query(self):
        q = "SELECT * FROM gx_events"
        self.same("events", lambda s: s.add_query_asset("a", query=q), lambda s: s.add_query_asset("a", query=q))

    def view_as_of_by_query(self):
        self.same("view", lambda s: s.add_query_asset("a", query=f"SELECT * FROM gx_view AS OF '{AS_OF}'"),
                  lambda s: s.add_query_asset("a", query="SELECT * FROM gx_view"))

    def view_as_of_by_service(self):
        self.same("view", lambda s: s.add_table_asset("a", table_name="gx_service"), lambda s: s.add_table_asset("a", table_name="gx_view"))

    def view_as_of_by_setting(self):
        self.same("view", lambda s: s.add_table_asset("a", table_name="gx_view"), lambda s: s.add_table_asset("a", table_name="gx_view"),
                  self.fqgw_url + "?options=-c%20fqgw.as_of%3D" + AS_OF.replace(" ", "T").replace(":", "%3A"))

    def checks_refuse_what_is_unexpected(self):
        rows = [(a, b, s, t) for a in (None, -1, 0, 3, 7) for b in (None, 0, 3) for s, t in (
            (None, None), ("", "x"), ("buy", None), ("zoë", "zoë"), ("two words", "buy"), ("a\nb", "ab1"), ("[x]", "x]"))]
        frame = pd.DataFrame(rows, columns=["a", "b", "s", "t"])
        with self.fqgw.begin() as c:
            c.execute(sa.text(f"CREATE SOURCE gx_rows ({ROWS}) WITH (topic = 'gx_rows', format = 'json', event_time = 'ts', partitions = 1)"))
        with self.fqgw.begin() as c:
            c.execute(sa.text("INSERT INTO gx_rows VALUES (:a, :b, :s, :t, now())"), [dict(zip("abst", r)) for r in rows])
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b").get_batch({"dataframe": frame})
        bad = 0
        for i, e in enumerate(of_rows()):
            result = batch.validate(e, result_format="COMPLETE")
            want = sorted(result.result["unexpected_index_list"])
            one = gx.ExpectationSuite(name=f"one{i}")
            one.add_expectation(e)
            (check,) = imported(one, "--columns", "--source", f"gx_{i}").splitlines()
            with self.fqgw.begin() as c:
                c.execute(sa.text(f"CREATE SOURCE gx_{i} ({ROWS}, {check.replace(':', chr(92) + ':')}) WITH (topic = 'gx_rows', format = 'json', event_time = 'ts')"))
            with self.fqgw.begin() as c:
                c.execute(sa.text("SELECT fqgw.sync()"))
                got = [r[0] for r in c.execute(sa.text(f"SELECT \"offset\" FROM fqgw.dead_letters WHERE source = 'gx_{i}' ORDER BY 1"))]
                landed = c.execute(sa.text(f"SELECT count(*) FROM gx_{i}")).scalar()
                c.execute(sa.text(f"DROP SOURCE gx_{i}"))
            if got != want or landed != len(rows) - len(want) or not 0 < len(want) < len(rows):
                bad += 1
                print(f"    {check}\n      refused    {[rows[x] for x in got if x not in want][:5]} and not {[rows[x] for x in want if x not in got][:5]}, {len(want)} are unexpected")
        assert not bad, f"{bad} checks differ"

    def statements_alter_a_source(self):
        s = gx.ExpectationSuite(name="gx_alter")
        for e in of_rows():
            s.add_expectation(e)
        statements = imported(s).splitlines()
        with self.fqgw.begin() as c:
            c.execute(sa.text(f"CREATE SOURCE gx_alter ({ROWS}) WITH (topic = 'gx_alter', format = 'json', event_time = 'ts')"))
        raw = self.fqgw.raw_connection()
        for one in statements:
            raw.cursor().execute(one)
            raw.commit()
        raw.close()
        i = sa.inspect(self.fqgw)
        checks = {c["name"] for c in i.get_check_constraints("gx_alter")}
        assert len(statements) == len(of_rows()) and len(checks) == len(statements) - 1, (statements, checks)
        assert all(n.startswith("gx_alter_") and f" {n} " in "".join(statements) for n in checks), checks
        assert [c["name"] for c in i.get_columns("gx_alter") if not c["nullable"]] == ["a", "ts"]

    def suite_says_what_it_cannot(self):
        s = gx.ExpectationSuite(name="events")
        for e in [gxe.ExpectColumnValuesToBeUnique(column="a"), gxe.ExpectTableRowCountToEqual(value=3), gxe.ExpectColumnMeanToBeBetween(column="a", min_value=1),
                  gxe.ExpectColumnValuesToNotBeNull(column="a", mostly=0.9), gxe.ExpectColumnValuesToNotBeNull(column="a")]:
            s.add_expectation(e)
        p = run_import(s)
        assert p.returncode == 0 and p.stdout == "ALTER SOURCE events ALTER COLUMN a SET NOT NULL;\n", p
        assert p.stderr.count("not said: ") == 4 and "many rows" in p.stderr, p.stderr
        assert run_import(s, "--strict").returncode == 1


ROWS = "a int, b int, s text, t text, ts timestamptz NOT NULL"


def of_rows():
    """Expectations of which each calls some of the rows unexpected."""
    gc = dict(condition_parser="great_expectations")
    pc = dict(condition_parser="pandas")
    return [
        gxe.ExpectColumnValuesToNotBeNull(column="a"),
        gxe.ExpectColumnValuesToBeNull(column="s"),
        gxe.ExpectColumnValuesToBeBetween(column="a", min_value=0, max_value=3),
        gxe.ExpectColumnValuesToBeBetween(column="a", min_value=0, max_value=7, strict_min=True, strict_max=True),
        gxe.ExpectColumnValuesToBeBetween(column="a", max_value=-0.5),
        gxe.ExpectColumnValuesToBeInSet(column="s", value_set=["buy", "zoë", "it's"]),
        gxe.ExpectColumnValuesToBeInSet(column="a", value_set=[0, -1]),
        gxe.ExpectColumnValuesToNotBeInSet(column="a", value_set=[3]),
        gxe.ExpectColumnValuesToMatchRegex(column="s", regex=r"^\w+$"),
        gxe.ExpectColumnValuesToMatchRegex(column="s", regex=r"o.*s"),
        gxe.ExpectColumnValuesToMatchRegex(column="s", regex=r"a.b|\bw"),
        gxe.ExpectColumnValuesToMatchRegex(column="s", regex=r"(?s)a.b"),
        gxe.ExpectColumnValuesToMatchRegex(column="s", regex=r"(?i)^(?P<first>B)\x75y$"),
        gxe.ExpectColumnValuesToMatchRegex(column="t", regex=r"[]x[]{1,}$|^[^b]{,2}$"),
        gxe.ExpectColumnValuesToNotMatchRegex(column="t", regex=r"\d"),
        gxe.ExpectColumnValuesToMatchRegexList(column="s", regex_list=["^b", "y$"], match_on="all"),
        gxe.ExpectColumnValuesToMatchRegexList(column="s", regex_list=["^b", "ë"]),
        gxe.ExpectColumnValuesToNotMatchRegexList(column="s", regex_list=["^b", "ë"]),
        gxe.ExpectColumnValueLengthsToBeBetween(column="s", min_value=1, max_value=3),
        gxe.ExpectColumnValueLengthsToEqual(column="s", value=3),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="a", column_B="b"),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="a", column_B="b", or_equal=True, ignore_row_if="either_value_is_missing"),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="s", column_B="t"),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="a", column_B="b", ignore_row_if="neither"),
        gxe.ExpectColumnPairValuesToBeInSet(column_A="a", column_B="b", value_pairs_set=[(0, 0), (3, 0), (7, None)]),
        gxe.ExpectMulticolumnSumToEqual(column_list=["a", "b"], sum_total=3),
        gxe.ExpectMulticolumnSumToEqual(column_list=["a", "b"], sum_total=3, ignore_row_if="any_value_is_missing"),
        gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(column_list=["a", "b"]),
        gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(column_list=["s", "t"], ignore_row_if="any_value_is_missing"),
        gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(column_list=["s", "t"], ignore_row_if="never"),
        gxe.ExpectColumnValuesToBeBetween(column="a", min_value=3, row_condition='col("s") == "buy"', **gc),
        gxe.ExpectColumnValuesToBeBetween(column="a", min_value=3, row_condition='col("b").notNull()', **gc),
        gxe.ExpectColumnValuesToNotBeNull(column="a", row_condition='col("b") >= 3', **gc),
        gxe.ExpectColumnValuesToNotBeNull(column="a", row_condition=(Column("b") == 3) & (Column("s").is_in(["buy", "zoë"]))),
        gxe.ExpectColumnValuesToNotBeNull(column="a", row_condition=(Column("b").is_null()) | (Column("s").is_not_in(["buy", "zoë"]))),
        gxe.ExpectColumnValuesToNotBeNull(column="a", row_condition=Column("b") != 3),
        gxe.ExpectColumnValuesToNotBeNull(column="a", row_condition='b == 3 and (s == "buy" or t != "x")', **pc),
        gxe.ExpectColumnValuesToNotBeNull(column="a", row_condition='not (b > 0) and s not in ["buy"]', **pc),
        gxe.ExpectColumnValuesToNotBeNull(column="a", row_condition="s.notnull() & ~(b < 3)", **pc),
    ]


def run_import(s, *flags):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(s.to_json_dict(), f)
        f.flush()
        return subprocess.run([os.environ["FQGW"], "import-expectations", *flags, f.name], capture_output=True, text=True)


def imported(s, *flags):
    p = run_import(s, "--strict", *flags)
    assert p.returncode == 0, (p.stderr, s.to_json_dict())
    return p.stdout


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    checks, passed, failed = Checks(host, port, sys.argv[2]), 0, 0
    for name in [n for n, f in vars(Checks).items() if callable(f) and not n.startswith("_") and n not in ("define", "same")]:
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
