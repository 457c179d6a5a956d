"""The engines on one lake: each reads and writes the tables of one REST catalog, and gives rows of cells that compare."""

import datetime as dt
import glob
import importlib
import math
import os
import uuid

import duckdb
import psycopg
import pyarrow as pa
import pyiceberg.catalog

KEY, SECRET, REGION = "fqgw", "fqgw-secret", "us-east-1"


def cell(v):
    """One value as text that is equal exactly when the values are."""
    match v:
        case None:
            return "NULL"
        case bool():
            return str(v).lower()
        case float():
            if math.isnan(v):
                return "NaN"
            return v.hex()
        case bytes() | bytearray():
            return "\\x" + bytes(v).hex()
        case dt.datetime():
            zone = "" if v.tzinfo is None else "Z"
            return v.replace(tzinfo=None).isoformat(timespec="microseconds") + zone
        case dt.time():
            return v.isoformat(timespec="microseconds")
        case dict():
            return "{" + ", ".join(f"{k}: {cell(v[k])}" for k in sorted(v)) + "}"
        case list() | tuple():
            if v and all(isinstance(p, tuple) and len(p) == 2 for p in v):  # a map, as Arrow gives it
                return cell(dict(v))
            return "[" + ", ".join(cell(e) for e in v) + "]"
    return str(v)


def cells(table):
    """Rows of cells, in the order of the first one."""
    return sorted((tuple(cell(v) for v in row) for row in table), key=lambda r: (len(r[0]), r))


def rows(columns, table):
    """The cells of an Arrow table."""

    def plain(column):
        if pa.types.is_timestamp(column.type) and column.type.tz:  # whatever zone the engine shows it in
            return [None if v is None else v.astimezone(dt.timezone.utc) for v in column.to_pylist()]
        return column.to_pylist()

    at = [plain(table.column(c)) for c in columns]
    return cells(zip(*at))


def quoted(columns, quote='"'):
    return ", ".join(quote + c + quote for c in columns)


class PyIceberg:
    name = "pyiceberg"

    def __init__(self, rest, s3):
        self.catalog = pyiceberg.catalog.load_catalog(
            "lake",
            type="rest",
            uri=rest,
            **{"s3.endpoint": s3, "s3.access-key-id": KEY, "s3.secret-access-key": SECRET, "s3.region": REGION},
        )

    def rows(self, table, columns, snapshot=None, where="True"):
        scan = self.catalog.load_table(table).scan(row_filter=where, selected_fields=tuple(columns), snapshot_id=snapshot)
        return rows(columns, scan.to_arrow())

    def append(self, table, data):
        self.catalog.load_table(table).append(data)


class DuckDB:
    name = "DuckDB"

    def __init__(self, rest, s3):
        self.db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        for e in ("avro", "httpfs", "iceberg"):
            where = os.path.dirname(importlib.import_module("duckdb_extension_" + e).__file__)
            self.db.execute("LOAD '%s'" % glob.glob(f"{where}/extensions/*/{e}.duckdb_extension")[0])
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', "
            f"ENDPOINT '{s3.removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"
        )
        self.db.execute(f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{rest}', AUTHORIZATION_TYPE 'none')")

    def sql(self, statement):
        return self.db.execute(statement)

    def rows(self, table, columns, snapshot=None, where="true"):
        at = f" AT (VERSION => {snapshot})" if snapshot else ""
        return rows(columns, self.sql(f"SELECT {quoted(columns)} FROM lake.{table}{at} WHERE {where}").fetch_arrow_table())

    def append(self, table, data):
        self.db.register("data", data)
        self.sql(f"INSERT INTO lake.{table} SELECT * FROM data")


class Spark:
    name = "Spark"

    def __init__(self, rest, s3, jars):
        from pyspark.sql import SparkSession

        b = SparkSession.builder.master("local[2]").appName("fqgw")
        for k, v in {
            "spark.jars": ",".join(sorted(glob.glob(jars + "/*.jar"))),
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.session.timeZone": "UTC",
            "spark.log.level": "ERROR",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
            "spark.sql.catalog.lake.type": "rest",
            "spark.sql.catalog.lake.uri": rest,
            "spark.sql.catalog.lake.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "spark.sql.catalog.lake.s3.endpoint": s3,
            "spark.sql.catalog.lake.s3.path-style-access": "true",
            "spark.sql.catalog.lake.s3.access-key-id": KEY,
            "spark.sql.catalog.lake.s3.secret-access-key": SECRET,
            "spark.sql.catalog.lake.client.region": REGION,
            "spark.sql.catalog.lake.cache-enabled": "false",
        }.items():
            b = b.config(k, v)
        self.session = b.getOrCreate()
        self.jvm = self.session.sparkContext._jvm
        self.java = self.session.sparkContext._gateway

    def sql(self, statement):
        return self.session.sql(statement)

    def rows(self, table, columns, snapshot=None, where="true"):
        at = f" VERSION AS OF {snapshot}" if snapshot else ""
        where = where.replace('"', "`")
        return rows(columns, self.sql(f"SELECT {quoted(columns, '`')} FROM lake.{table}{at} WHERE {where}").toArrow())

    def append(self, table, data):
        self.session.createDataFrame(data).writeTo("lake." + table).append()

    def table(self, name):
        """The table in Java, for what Spark's SQL has not."""
        return self.jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(self.session._jsparkSession, "lake." + name)

    def delete_equal(self, table, column, values):
        """Deletes the rows that have one of the values in the column by an equality delete, which only Java's library writes."""
        i = self.jvm.org.apache.iceberg
        t = self.table(table)
        names, ids = self.java.new_array(self.jvm.java.lang.String, 1), self.java.new_array(self.jvm.int, 1)
        names[0], ids[0] = column, t.schema().findField(column).fieldId()
        schema = t.schema().select(names)
        factory = i.data.GenericAppenderFactory(t.schema(), t.spec(), ids, schema, None)
        out = t.io().newOutputFile(f"{t.location()}/data/equal-{uuid.uuid4().hex}.parquet")
        w = factory.newEqDeleteWriter(i.encryption.EncryptedFiles.plainAsEncryptedOutput(out), i.FileFormat.PARQUET, None)
        for v in values:
            r = i.data.GenericRecord.create(schema)
            r.setField(column, v)
            w.write(r)
        w.close()
        t.newRowDelta().addDeletes(w.toDeleteFile()).commit()


class Gateway:
    name = "fqgw"

    def __init__(self, address):
        self.address = address
        host, port = address.split(":")
        self.connection = psycopg.connect(host=host, port=port, dbname="fqgw", user="ana", autocommit=True)
        self.connection.execute("SET TimeZone = 'UTC'")

    def sql(self, statement, *parameters):
        return self.connection.execute(statement, parameters or None)

    def rows(self, table, columns, where="true"):
        return cells(self.sql(f"SELECT {quoted(columns)} FROM {table} WHERE {where}").fetchall())

    def refused(self, statement, code, text):
        """The statement must fail with that SQLSTATE and a message, detail or hint that has the text."""
        try:
            self.sql(statement)
        except psycopg.Error as e:
            said = f"{e.diag.message_primary} {e.diag.message_detail} {e.diag.message_hint}"
            assert e.sqlstate == code and text in said, f"{statement}: {e.sqlstate} {said}"
            return said
        raise AssertionError(f"{statement}: no error")
