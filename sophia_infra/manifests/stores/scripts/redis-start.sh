#!/bin/sh
# Starts the server; in a group as follower of the leader, unless it is the leader itself.
set -eu
. /sophia/redis-common.sh

{
    cat /sophia/redis.conf
    if [ -n "${REDIS_PASSWORD:-}" ]; then
        printf 'requirepass %s\nmasterauth %s\n' "$(quoted "$REDIS_PASSWORD")" "$(quoted "$REDIS_PASSWORD")"
    fi
    if [ "$GROUP" = yes ]; then
        me="$POD_NAME.$POD_DOMAIN"
        printf 'replica-announce-ip %s\n' "$me"
        first="$(leader)"
        if [ "$first" != "$me" ]; then
            printf 'replicaof %s %s\n' "$first" "$PORT"
        fi
    fi
} > /run/redis/redis.conf
exec redis-server /run/redis/redis.conf
