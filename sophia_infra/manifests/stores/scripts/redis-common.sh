# shellcheck shell=sh
# Read by the other scripts. The password comes from a Secret; it stands in no ConfigMap and on no command line.
umask 077

quoted() { # text -> a string as redis.conf reads it
    printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

ask() { # host port command... -> answer
    host="$1"
    port="$2"
    shift 2
    if [ -n "${REDIS_PASSWORD:-}" ]; then
        REDISCLI_AUTH="$REDIS_PASSWORD" timeout 5 redis-cli --raw -h "$host" -p "$port" "$@"
    else
        timeout 5 redis-cli --raw -h "$host" -p "$port" "$@"
    fi
}

leader() { # host name of the leader: what the Sentinels say, else the first pod
    known=""
    if [ -n "${SENTINEL_HOST:-}" ]; then
        known="$(ask "$SENTINEL_HOST" "$SENTINEL_PORT" SENTINEL get-master-addr-by-name sophia 2> /dev/null |
            head -n 1)" || known=""
    fi
    case "$known" in # an error of the server is a sentence
        *" "*) printf '%s' "$FIRST_HOST" ;;
        *.*) printf '%s' "$known" ;;
        *) printf '%s' "$FIRST_HOST" ;;
    esac
}
