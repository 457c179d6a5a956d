-- How people write: whatever the case, the white space and the order.
create source Clicks (user_id int8 not null, price float8 check(price>=0), kind varchar(10), "at" timestamp with time zone,
  constraint "Not Twice" check (kind <> 'two''s' and user_id is not null), check (price < 1e9 or kind is null))
  with (event_time='at', max_future = '300 seconds', field.kind='what.kind', "field.user_id" = 'userId', partitions=3);
create schema "My Team";
CREATE SOURCE "My Team"."Order" (id bigint PRIMARY KEY, "plan" text, ts timestamptz) WITH (topic = 'shop.public.order', format = 'debezium-json', event_time = 'ts', start = 'latest');
create table labels (id int, "at" timestamptz not null, tags text[], amount numeric(10,2));
create materialized view user_clicks with (wait = false, hop = '1 min') as select user_id, count(*) over h as n,
  sum(price) filter(where kind='buy') over h as spend, coalesce(avg(price) over (partition by user_id order by "at" range '1 day' preceding), 0) as avg_price
  from clicks c where c.price is not null window h as (partition by user_id order by "at" range '1 hour' preceding);
create feature view plans as select distinct on (id) id, "plan" from "My Team"."Order" order by id, ts desc;
create source Richer with (TOPIC = 'rich', max_future='5 min') as select c.*, u.n, coalesce(u.spend,0)>10 as Big from clicks c left join user_clicks u using (user_id) where c.price>1;
alter feature view user_clicks alter column spend set default 0;
alter feature view user_clicks alter column avg_price drop default;
create view risk (k, n, plan) as select u.user_id, u.n, p."plan" from user_clicks u left join plans p on p.id = u.user_id;
create or replace view history as with l as (select * from labels where amount > 1) select l.id, u.n, v.spend from l
  left join user_clicks as of l.at - interval '1 hour' known at now() as u on u.user_id = l.id
  left join user_clicks as of l.at as v on v.user_id = l.id order by 1;
comment on source clicks is 'What people clicked: it''s \ all';
comment on column clicks.price is 'EUR';
comment on feature view user_clicks is 'By user';
comment on column user_clicks.spend is 'Of a day';
comment on view risk is 'Risk';
comment on table labels is 'L';
set search_path = "My Team", public;
create view "All" as select o.id from "Order" as o join clicks on clicks.user_id = o.id;
