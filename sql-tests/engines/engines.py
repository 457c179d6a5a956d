#!/usr/bin/env python3
"""Other engines and fqgw on one lake: each reads what the others wrote, cell by cell.

    engines.py HOST:PORT REST S3 JARS FILES

A gateway whose lake is the REST catalog, with its tables in S3, the jars of Iceberg for Spark, and the folder that COPY of the gateway
writes to. Every check compares whole tables; the last line is `N passed, N failed`.
"""

import sys
import time
import traceback

import checks_divided
import checks_ours
import checks_theirs
import checks_together
import lake


def main():
    address, rest, s3, jars, files = sys.argv[1:]
    start = time.time()
    on = checks_theirs.Lake(lake.Gateway(address), lake.PyIceberg(rest, s3), lake.DuckDB(rest, s3), lake.Spark(rest, s3, jars), files)
    versions = f"Spark {on.spark.session.version}, DuckDB {lake.duckdb.__version__}, pyiceberg {lake.pyiceberg.__version__}"
    print(f"{versions}: ready in {time.time() - start:.0f} s")
    on.spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.shop")
    passed = failed = 0
    for module in (checks_ours, checks_theirs, checks_together, checks_divided):
        for name, check in module.CHECKS.items():
            start = time.time()
            try:
                did = check(on)
                passed += 1
                print(f"ok   {name} ({time.time() - start:.1f} s): {did}", flush=True)
            except Exception:
                failed += 1
                lines = traceback.format_exc().splitlines()
                print(f"FAIL {name}\n" + "\n".join(lines[:40] + ["…"] + lines[-8:] if len(lines) > 50 else lines), flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
