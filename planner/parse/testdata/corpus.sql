SELECT 1
SELECT departures_1h, avg_delay_3h FROM origin_delays WHERE origin = $1
SELECT k.origin, f.* FROM unnest($1::text[]) WITH ORDINALITY k(origin, n) LEFT JOIN origin_delays f USING (origin) ORDER BY n
SELECT l.*, o.avg_delay_3h FROM labels l LEFT JOIN origin_delays AS OF l.predicted_at AS o ON o.origin = l.origin
SELECT * FROM origin_delays AS OF '2013-01-05 12:00Z' KNOWN AT now() ORDER BY origin NULLS FIRST LIMIT 10 OFFSET $2
SELECT t, o.* FROM generate_series('2013-01-05'::timestamptz, '2013-01-06', '1 hour') t LEFT JOIN origin_delays AS OF t AS o ON o.origin = 'JFK'
SELECT x FROM v FOR SYSTEM_TIME AS OF CAST('2013-01-01' AS TIMESTAMP) AS u WHERE x = ANY('{1,2}'::int[])
SELECT x FROM v WHERE k IN (1, 2, 3) AS OF now() - interval '1 day' KNOWN AT $1
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT sum(n) FILTER (WHERE n % 2 = 0) FROM r
SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b DESC
SELECT a, rank() OVER w, lag(b, 1) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t WINDOW w AS (ORDER BY b)
SELECT CASE WHEN a > 1.5e3 THEN 'x' WHEN b IS NOT DISTINCT FROM NULL THEN E'\n' ELSE U&'\00e9' END, -a ^ 2, a || b, NOT c, a::numeric(10,2)[] FROM s.t
SELECT extract(epoch FROM ts), ts AT TIME ZONE 'UTC', count(DISTINCT a), percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t GROUP BY ROLLUP (a, b) HAVING count(*) > 1
SELECT * FROM a FULL JOIN b ON a.x = b.x CROSS JOIN LATERAL (SELECT 1 WHERE a.y) q, c WHERE EXISTS (SELECT 1 FROM d WHERE d.x = a.x) AND (a.p, a.q) < (1, 2)
SELECT 'größe', "Ünï" FROM "Schema"."Täble" AS OF 'é' "Ä" WHERE 'ö' LIKE 'ö%' ESCAPE '!'
VALUES (1, 'a'), (2, NULL)
CREATE SOURCE departures (event_ts timestamptz NOT NULL, carrier text CHECK (carrier <> ''), dep_delay double precision, CONSTRAINT sane CHECK (dep_delay BETWEEN -120 AND 3000)) WITH (connector = 'kafka', topic = 'departures', partitions = 3, event_time = 'event_ts', field.user_id = 'user.id')
CREATE OR REPLACE SOURCE s WITH (connector = 'iceberg', table = 'a.b')
CREATE FEATURE VIEW v WITH (hop = '1 minute', hop.last_1d = '1 hour', online = false) AS SELECT k, COALESCE(avg(x) FILTER (WHERE y > 0) OVER last_1d, 0) AS f, count(*) OVER (PARTITION BY k ORDER BY ts RANGE UNBOUNDED PRECEDING) FROM s WHERE z IS NOT NULL WINDOW last_1d AS (PARTITION BY k ORDER BY ts RANGE '1 day' PRECEDING)
CREATE OR REPLACE FEATURE VIEW p WITH (max_age = '30 days') AS SELECT DISTINCT ON (k) k, a FROM s ORDER BY k, ts DESC
CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT k FROM s WITH NO DATA
ALTER FEATURE VIEW v ALTER COLUMN f SET DEFAULT -1
ALTER FEATURE VIEW v SET (version = 1)
DROP SOURCE IF EXISTS a, b CASCADE PURGE
DROP FEATURE VIEW v
COMMENT ON FEATURE VIEW v IS 'text'
COMMENT ON COLUMN v.f IS NULL
REFRESH FEATURE VIEW v
CREATE TEMP TABLE IF NOT EXISTS t (a int NOT NULL, b numeric(10,2) DEFAULT 0)
CREATE TABLE t AS SELECT * FROM v AS OF $1 u WITH NO DATA
CREATE OR REPLACE VIEW w (a, b) AS SELECT c.a, o.b FROM c LEFT JOIN o ON o.k = c.k
INSERT INTO t (a, b) VALUES (1, DEFAULT), ($1, $2) RETURNING a
INSERT INTO t SELECT * FROM u ON CONFLICT DO NOTHING
COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';')
COPY (SELECT * FROM v WHERE true AS OF now()) TO 'x.parquet' (FORMAT parquet)
copy t to stdout with csv header quote '"' force quote a
EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM v
SET TIME ZONE 'Europe/Vienna'
SET LOCAL fqgw.as_of = '2013-01-01'
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
RESET ALL
SHOW fqgw.clock
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY
ROLLBACK TO SAVEPOINT a
PREPARE p (int, text) AS SELECT * FROM v WHERE k = $1
EXECUTE p(1, 'x')
DEALLOCATE ALL
GRANT SELECT ON FEATURE VIEW v TO u
UPDATE t SET a = 1 WHERE b
DECLARE c CURSOR WITH HOLD FOR SELECT 1
SELECT 1; SELECT 2 FROM v WHERE a AS OF now();
SELECT * FROM (SELECT * FROM v u WHERE k = 'é' LIMIT 5 AS OF $1 KNOWN AT now()) s
