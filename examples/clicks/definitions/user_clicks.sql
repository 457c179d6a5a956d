CREATE FEATURE VIEW user_clicks AS
SELECT user_id,
       count(*) OVER last_5m AS clicks_5m,
       COALESCE(avg(price) OVER last_1d, 0) AS avg_price_1d
FROM clicks
WINDOW last_5m AS (PARTITION BY user_id ORDER BY ts RANGE '5 minutes' PRECEDING),
       last_1d AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING);
COMMENT ON COLUMN user_clicks.clicks_5m IS 'How busy the user is';
