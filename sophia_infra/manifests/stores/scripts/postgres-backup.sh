#!/bin/sh
# Dumps every database of the server into one folder, and takes old folders away only after that worked.
set -eu
umask 077
export PGUSER="${POSTGRES_USER:-postgres}" PGPASSWORD="${POSTGRES_PASSWORD:-}"

folder="/backup/$(date -u +%Y-%m-%dT%H-%M-%SZ)"
rm -rf /backup/*.partial
mkdir "$folder.partial"
pg_dumpall --globals-only > "$folder.partial/globals.sql"
psql --no-align --tuples-only --dbname postgres \
    --command "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate" > /tmp/databases
while IFS= read -r database; do
    pg_dump --format=custom --file "$folder.partial/$database.dump" "$database"
    pg_restore --list "$folder.partial/$database.dump" > /dev/null
done < /tmp/databases
mv "$folder.partial" "$folder"
find /backup -mindepth 1 -maxdepth 1 -type d -mtime "+$KEEP_DAYS" -exec rm -rf {} +
echo "copied to $folder"
