-- Makes aggregates.txt, the answers of PostgreSQL 15 that TestPostgres compares with:
--   psql -X -At -F '|' -f aggregates.sql > aggregates.txt
-- A line: type | values | count | sum | avg | var_samp | var_pop | stddev_samp | stddev_pop | min | max
SET timezone = 'UTC';
SELECT setseed(0.5) \g /dev/null
CREATE TEMP TABLE c (n int, typ text, x numeric);
INSERT INTO c SELECT n, 'integer', (random() * 200 - 100)::int FROM generate_series(1, 25) n, generate_series(1, 1 + n % 7);
INSERT INTO c SELECT n, 'bigint', ((random() - 0.5) * 1.8e19)::bigint FROM generate_series(1, 15) n, generate_series(1, 1 + n % 9);
INSERT INTO c SELECT n, 'numeric', round(((random() - 0.4) * 10 ^ (random() * 24 - 10))::numeric, (random() * 9)::int) FROM generate_series(1, 60) n, generate_series(1, 1 + n % 8);
INSERT INTO c VALUES (100, 'numeric', 'NaN'), (101, 'numeric', 'NaN'), (101, 'numeric', 1.50), (102, 'numeric', 'Infinity'), (102, 'numeric', 2),
  (103, 'numeric', 'Infinity'), (103, 'numeric', '-Infinity'), (104, 'numeric', 'Infinity'), (105, 'numeric', 0.00), (105, 'numeric', 0),
  (106, 'numeric', 1e-30), (106, 'numeric', 3e-30), (107, 'numeric', 1e30), (107, 'numeric', 1.000), (108, 'numeric', 12345.678900), (108, 'numeric', 12345.678900),
  (109, 'numeric', NULL), (110, 'numeric', NULL), (110, 'numeric', 7.25), (111, 'integer', NULL), (112, 'numeric', 1e200), (112, 'numeric', 3.5e-200),
  (113, 'integer', 2147483647), (113, 'integer', -2147483648), (114, 'bigint', 9223372036854775807), (114, 'bigint', 9223372036854775807), (114, 'bigint', -9223372036854775808);
\pset null '\\N'
SELECT 'integer', coalesce(string_agg(coalesce(x::text, 'NULL'), ' '), ''), count(x), sum(x::int), avg(x::int), var_samp(x::int), var_pop(x::int), stddev_samp(x::int), stddev_pop(x::int), min(x::int), max(x::int)
FROM c WHERE typ = 'integer' GROUP BY n ORDER BY n;
SELECT 'bigint', string_agg(coalesce(x::text, 'NULL'), ' '), count(x), sum(x::bigint), avg(x::bigint), var_samp(x::bigint), var_pop(x::bigint), stddev_samp(x::bigint), stddev_pop(x::bigint), min(x::bigint), max(x::bigint)
FROM c WHERE typ = 'bigint' GROUP BY n ORDER BY n;
SELECT 'numeric', string_agg(coalesce(x::text, 'NULL'), ' '), count(x), sum(x), avg(x), var_samp(x), var_pop(x), stddev_samp(x), stddev_pop(x), min(x), max(x)
FROM c WHERE typ = 'numeric' GROUP BY n ORDER BY n;
