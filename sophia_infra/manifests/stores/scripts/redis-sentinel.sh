#!/bin/sh
# Starts a Sentinel, which writes what it learns into its configuration. It needs a leader that answers.
set -eu
. /sophia/redis-common.sh

first="$(leader)"
until ask "$first" "$PORT" PING | grep -q PONG; do
    echo "waiting for $first"
    sleep 2
    first="$(leader)"
done
{
    printf 'port %s\ndir /run/redis\n' "$SENTINEL_PORT"
    printf 'sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n'
    printf 'sentinel announce-ip %s\n' "$POD_NAME.$POD_DOMAIN"
    printf 'sentinel monitor sophia %s %s %s\n' "$first" "$PORT" "$QUORUM"
    printf 'sentinel down-after-milliseconds sophia 5000\n'
    printf 'sentinel failover-timeout sophia 60000\n'
    printf 'sentinel parallel-syncs sophia 1\n'
    if [ -n "${REDIS_PASSWORD:-}" ]; then
        word="$(quoted "$REDIS_PASSWORD")"
        printf 'requirepass %s\nsentinel sentinel-pass %s\nsentinel auth-pass sophia %s\n' "$word" "$word" "$word"
    fi
} > /run/redis/sentinel.conf
exec redis-server /run/redis/sentinel.conf --sentinel
