-- A file of format 2, as it was made and filled.
CREATE TABLE version (number INTEGER NOT NULL);
INSERT INTO version VALUES (7);
CREATE TABLE objects (
	oid INTEGER PRIMARY KEY, kind TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
	state INTEGER NOT NULL, sql TEXT NOT NULL, path TEXT NOT NULL, props TEXT NOT NULL, form TEXT NOT NULL
);
INSERT INTO objects VALUES (16384, 'feature view', 'public', 'v', 2, 5, 'CREATE FEATURE VIEW v …', '["a","public"]', '{"comment":"c"}', '1:abc');
CREATE TABLE sequences (name TEXT PRIMARY KEY, next INTEGER NOT NULL);
INSERT INTO sequences VALUES ('state', 6);
CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, process TEXT NOT NULL);
INSERT INTO owners VALUES (3, 'another');
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, owner INTEGER NOT NULL); -- 0: nobody's own
INSERT INTO facts VALUES ('clock', 'held', 0);
CREATE TABLE epochs (source TEXT NOT NULL, topic_id BLOB NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (source, topic_id));
INSERT INTO epochs VALUES ('s', x'000102030405060708090a0b0c0d0e0f', 4);
CREATE TABLE dead_letters (
	source TEXT NOT NULL, epoch INTEGER NOT NULL, part INTEGER NOT NULL, off INTEGER NOT NULL, sub INTEGER NOT NULL,
	time INTEGER NOT NULL, rejected INTEGER NOT NULL, reason TEXT NOT NULL, col TEXT NOT NULL, key BLOB, payload BLOB,
	PRIMARY KEY (source, epoch, part, off, sub)
);
INSERT INTO dead_letters VALUES ('s', 4, 1, 9, 0, -4, 5, 'because', 'c', x'6b', x'00ff');
PRAGMA user_version = 2;
