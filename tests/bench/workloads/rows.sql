-- 300,000 rows in memory, an index, and queries that sort and join.
create table t(id integer primary key, name text, grp integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
  insert into t select i, printf('%d-%d', i, i * 7), i % 1000 from n;
create index by_name on t(name);
select count(*), sum(length(name)) from t;
select count(*) from t a join t b on a.name = b.name where a.grp < 50;
select grp, group_concat(name) from t where id < 20000 group by grp order by 2 limit 3;
