CREATE SOURCE clicks (
    user_id bigint NOT NULL,
    price double precision CHECK (price >= 0),
    kind text,
    ts timestamptz NOT NULL
) WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts');
