#!/bin/sh
# Brings back the newest copy, or the one named by BACKUP. What changed since the copy is lost.
set -eu
export PGUSER="${POSTGRES_USER:-postgres}" PGPASSWORD="${POSTGRES_PASSWORD:-}"

name="${BACKUP:-$(find /backup -mindepth 1 -maxdepth 1 -type d ! -name '*.partial' | sort | tail -n 1)}"
folder="/backup/$(basename "$name")"
[ -f "$folder/globals.sql" ] || { echo "no copy in $folder" >&2; exit 1; }
# Roles that are there already are reported and kept.
psql --quiet --dbname postgres --file "$folder/globals.sql" || true
for dump in "$folder"/*.dump; do
    database="$(basename "$dump" .dump)"
    createdb "$database" 2> /dev/null || true
    pg_restore --clean --if-exists --exit-on-error --single-transaction --dbname "$database" "$dump"
    echo "restored $database from $folder"
done
