-- A table of @ROWS@ rows: filled, indexed, joined, changed, sorted. Prints sums of what came out.
PRAGMA journal_mode = MEMORY;
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, amount INTEGER, name TEXT);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @ROWS@)
  INSERT INTO item SELECT i, i * 7919 % 101, i * 104729 % 10007, printf('item-%x', i * 2654435761 % 4294967296) FROM n;
CREATE INDEX item_by_kind ON item (kind, amount);
CREATE INDEX item_by_name ON item (name);
SELECT sum(a.amount * b.amount % 97) FROM item a JOIN item b ON b.kind = a.kind AND b.amount = a.amount;
UPDATE item SET amount = amount + length(name), name = upper(name) WHERE kind % 3 = 0;
SELECT kind, count(*), sum(amount), min(name) FROM item GROUP BY kind ORDER BY sum(amount) DESC LIMIT 2;
SELECT sum(id * (r % 13)) FROM (SELECT id, row_number() OVER (ORDER BY name) AS r FROM item);
DELETE FROM item WHERE amount % 2 = 0;
SELECT count(*), total(amount) FROM item WHERE name LIKE '%7A%';
