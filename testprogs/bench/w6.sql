-- W6: for the sqlite3 shell, 200,000 rows.
PRAGMA journal_mode=WAL;
CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, c REAL);
BEGIN;
WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i<200000)
INSERT INTO t SELECT i, (i*7919)%10007, 'row'||i||hex(i*31), i/3.0 FROM s;
COMMIT;
CREATE INDEX ta ON t(a);
SELECT count(*), sum(a), max(b), avg(c) FROM t;
SELECT a, count(*) n FROM t GROUP BY a ORDER BY n DESC, a LIMIT 3;
SELECT count(*) FROM t x JOIN t y ON x.a=y.a AND y.id=x.id+10007 WHERE x.id<50000;
