#!/bin/sh
# Takes a copy over the network, checks it, and takes old ones away only after that worked.
set -eu
umask 077

file="/backup/$(date -u +%Y-%m-%dT%H-%M-%SZ).rdb"
rm -f /backup/*.partial
if [ -n "${REDIS_PASSWORD:-}" ]; then
    export REDISCLI_AUTH="$REDIS_PASSWORD"
fi
redis-cli -h "$REDIS_HOST" -p "$PORT" --rdb "$file.partial"
redis-check-rdb "$file.partial" > /dev/null
mv "$file.partial" "$file"
find /backup -mindepth 1 -maxdepth 1 -type f -name '*.rdb' -mtime "+$KEEP_DAYS" -exec rm -f {} +
echo "copied to $file"
