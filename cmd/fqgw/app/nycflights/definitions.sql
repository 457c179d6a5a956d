-- The flights of New York's airports: four event streams, nine feature views
-- and one feature service. Each SELECT is plain SQL; the windows below take
-- their hops by default: 1 h and 3 h move by the minute, 6 h by 5 minutes,
-- a day by 15 minutes, 7 days by the hour.

-- A flight has left the gate.
CREATE SOURCE departures (
    event_ts  timestamptz NOT NULL,
    sched_ts  timestamptz NOT NULL,
    carrier   text NOT NULL,
    flight    integer NOT NULL,
    tailnum   text,
    origin    text NOT NULL,
    dest      text NOT NULL,
    distance  integer NOT NULL,           -- miles
    dep_delay double precision NOT NULL   -- minutes, below zero when early
) WITH (connector = 'kafka', topic = 'departures', format = 'json', event_time = 'event_ts', partitions = 3, key = 'origin');

-- A flight will not leave; the event time is its scheduled departure.
CREATE SOURCE cancellations (
    event_ts timestamptz NOT NULL,
    carrier  text NOT NULL,
    flight   integer NOT NULL,
    tailnum  text,
    origin   text NOT NULL,
    dest     text NOT NULL
) WITH (connector = 'kafka', topic = 'cancellations', format = 'json', event_time = 'event_ts', partitions = 1, key = 'origin');

-- A flight has reached its gate.
CREATE SOURCE arrivals (
    event_ts  timestamptz NOT NULL,
    sched_ts  timestamptz NOT NULL,
    carrier   text NOT NULL,
    flight    integer NOT NULL,
    tailnum   text NOT NULL,
    origin    text NOT NULL,
    dest      text NOT NULL,
    arr_delay double precision,           -- minutes; NULL when the flight was diverted
    air_time  double precision
) WITH (connector = 'kafka', topic = 'arrivals', format = 'json', event_time = 'event_ts', partitions = 4, key = 'tailnum');

-- An hour's weather; its records are appended an hour later, and AS OF honours that.
CREATE SOURCE weather (
    event_ts   timestamptz NOT NULL,
    origin     text NOT NULL,
    temp       double precision,
    dewp       double precision,
    humid      double precision,
    wind_dir   double precision,
    wind_speed double precision,
    wind_gust  double precision,
    precip     double precision,
    pressure   double precision,
    visib      double precision
) WITH (connector = 'kafka', topic = 'weather', format = 'json', event_time = 'event_ts', partitions = 1, key = 'origin');

CREATE FEATURE VIEW origin_departures AS
SELECT origin,
       count(*)                   OVER h1 AS departures_1h,
       avg(dep_delay)             OVER h1 AS avg_delay_1h,
       max(dep_delay)             OVER h1 AS max_delay_1h,
       avg((dep_delay > 15)::int) OVER h1 AS share_late_1h,
       count(*)                   OVER h3 AS departures_3h,
       avg(dep_delay)             OVER h3 AS avg_delay_3h,
       max(dep_delay)             OVER h3 AS max_delay_3h,
       avg((dep_delay > 15)::int) OVER h3 AS share_late_3h,
       count(*)                   OVER d1 AS departures_1d,
       avg(dep_delay)             OVER d1 AS avg_delay_1d,
       max(dep_delay)             OVER d1 AS max_delay_1d,
       avg((dep_delay > 15)::int) OVER d1 AS share_late_1d
FROM departures
WINDOW h1 AS (PARTITION BY origin ORDER BY event_ts RANGE '1 hour' PRECEDING),
       h3 AS (PARTITION BY origin ORDER BY event_ts RANGE '3 hours' PRECEDING),
       d1 AS (PARTITION BY origin ORDER BY event_ts RANGE '1 day' PRECEDING);

CREATE FEATURE VIEW carrier_departures AS
SELECT origin, carrier,
       count(*)                                     OVER h3 AS departures_3h,
       avg(dep_delay)                               OVER h3 AS avg_delay_3h,
       max(dep_delay)                               OVER h3 AS max_delay_3h,
       avg((dep_delay > 15)::int)                   OVER h3 AS share_late_3h,
       count(*)                                     OVER d7 AS departures_7d,
       avg(dep_delay)                               OVER d7 AS avg_delay_7d,
       min(dep_delay)                               OVER d7 AS min_delay_7d,
       max(dep_delay)                               OVER d7 AS max_delay_7d,
       avg((dep_delay > 15)::int)                   OVER d7 AS share_late_7d,
       stddev_samp(dep_delay)                       OVER d7 AS sd_delay_7d,
       count(*)       FILTER (WHERE dep_delay > 60) OVER d7 AS very_late_7d,
       avg(dep_delay) FILTER (WHERE distance >= 1000) OVER d7 AS avg_delay_long_haul_7d,
       sum(distance)  FILTER (WHERE dep_delay > 15) OVER d7 AS late_miles_7d
FROM departures
WINDOW h3 AS (PARTITION BY origin, carrier ORDER BY event_ts RANGE '3 hours' PRECEDING),
       d7 AS (PARTITION BY origin, carrier ORDER BY event_ts RANGE '7 days' PRECEDING);

-- Keyed by the aircraft, while the topic is keyed by the airport.
CREATE FEATURE VIEW tail_flights AS
SELECT tailnum,
       count(*)            OVER d1 AS flights_1d,
       sum(distance)       OVER d1 AS miles_1d,
       max(dep_delay)      OVER d1 AS max_delay_1d,
       last_value(dest)    OVER d1 AS last_dest_1d,
       first_value(origin) OVER d1 AS first_origin_1d
FROM departures
WHERE tailnum IS NOT NULL
WINDOW d1 AS (PARTITION BY tailnum ORDER BY event_ts RANGE '1 day' PRECEDING);

-- The latest row of each aircraft, for two days.
CREATE FEATURE VIEW tail_last_arrival WITH (max_age = '2 days') AS
SELECT DISTINCT ON (tailnum) tailnum, arr_delay, dest, carrier, air_time
FROM arrivals
ORDER BY tailnum, event_ts DESC;
ALTER FEATURE VIEW tail_last_arrival ALTER COLUMN arr_delay SET DEFAULT 0;

CREATE FEATURE VIEW origin_cancellations AS
SELECT origin, count(*) OVER h6 AS cancellations_6h
FROM cancellations
WINDOW h6 AS (PARTITION BY origin ORDER BY event_ts RANGE '6 hours' PRECEDING);

CREATE FEATURE VIEW origin_weather WITH (max_age = '3 hours') AS
SELECT DISTINCT ON (origin) origin, temp, wind_speed, wind_gust, precip, pressure, visib
FROM weather
ORDER BY origin, event_ts DESC;
ALTER FEATURE VIEW origin_weather ALTER COLUMN wind_gust SET DEFAULT 0;

CREATE FEATURE VIEW origin_weather_1d AS
SELECT origin,
       sum(precip)       OVER d1 AS precip_1d,
       avg(temp)         OVER d1 AS avg_temp_1d,
       stddev_samp(temp) OVER d1 AS sd_temp_1d,
       avg(wind_speed)   OVER d1 AS avg_wind_1d,
       max(wind_gust)    OVER d1 AS max_gust_1d,
       count(wind_gust)  OVER d1 AS gusts_1d,
       min(visib)        OVER h6 AS min_visib_6h
FROM weather
WINDOW h6 AS (PARTITION BY origin ORDER BY event_ts RANGE '6 hours' PRECEDING),
       d1 AS (PARTITION BY origin ORDER BY event_ts RANGE '1 day' PRECEDING);
ALTER FEATURE VIEW origin_weather_1d ALTER COLUMN max_gust_1d SET DEFAULT -1;

-- Approximate, and named so.
CREATE FEATURE VIEW origin_sketches AS
SELECT origin,
       approx_count_distinct(tailnum)    OVER d1 AS tails_1d,
       approx_count_distinct(tailnum)    OVER h3 AS tails_3h,
       approx_percentile(dep_delay, 0.5) OVER d1 AS p50_delay_1d,
       approx_percentile(dep_delay, 0.9) OVER d1 AS p90_delay_1d
FROM departures
WINDOW h3 AS (PARTITION BY origin ORDER BY event_ts RANGE '3 hours' PRECEDING),
       d1 AS (PARTITION BY origin ORDER BY event_ts RANGE '1 day' PRECEDING);

-- A feature service: its join keys are (origin, carrier), its expressions are
-- on-demand features.
CREATE VIEW flight_risk AS
SELECT c.origin, c.carrier,
       o.departures_1h, o.share_late_3h, x.cancellations_6h, c.share_late_7d, w.wind_speed,
       c.avg_delay_3h - o.avg_delay_3h AS carrier_excess_3h,
       x.cancellations_6h::float8 / nullif(x.cancellations_6h + o.departures_3h, 0) AS cancel_ratio,
       coalesce(w.visib < 3 OR w.wind_speed > 25 OR w.precip > 0.1, false) AS bad_weather,
       CASE WHEN c.departures_7d >= 30 THEN c.share_late_7d ELSE o.share_late_1d END AS smoothed_share
FROM carrier_departures AS c
     LEFT JOIN origin_departures    AS o ON o.origin = c.origin
     LEFT JOIN origin_cancellations AS x ON x.origin = c.origin
     LEFT JOIN origin_weather       AS w ON w.origin = c.origin;
