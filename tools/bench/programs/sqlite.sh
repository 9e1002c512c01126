# sqlite.sh N: work.sql with N thousand rows.
set -e
sed "s/@ROWS@/$(($1 * 1000))/" /bench/work.sql | /usr/bin/sqlite3 -batch -bail /tmp/bench.db
rm -f /tmp/bench.db
