# shellcheck shell=bash
# Read by the other scripts. The image has no HTTP client, so bash opens the connection itself.

request() { # method host path [body] -> body of the answer; fails unless the status is 200
    local body="${4:-}" status answer
    exec 3<> "/dev/tcp/$2/$PORT"
    {
        printf '%s %s HTTP/1.0\r\nHost: %s\r\n' "$1" "$3" "$2"
        printf 'api-key: %s\r\n' "${QDRANT__SERVICE__API_KEY:-none}"
        printf 'Content-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' "${#body}" "$body"
    } >&3
    answer="$(cat <&3)"
    exec 3>&-
    status="${answer%%$'\r'*}"
    case "$status" in
        HTTP/1.?' 200'*) printf '%s' "${answer#*$'\r\n\r\n'}" ;;
        *)
            echo "$1 $3 on $2: ${status:-no answer}" >&2
            return 1
            ;;
    esac
}

names() { # JSON -> every "name"
    grep -o '"name":"[^"]*"' | cut -d '"' -f 4 || true
}

hosts() { # every pod of the store
    local number
    for ((number = 0; number < REPLICAS; number++)); do
        printf '%s-%s.%s\n' "$STORE" "$number" "$POD_DOMAIN"
    done
}

snapshots() { # JSON list of snapshots -> lines of name and time
    grep -o '"name":"[^"]*","creation_time":"[^"]*"' | cut -d '"' -f 4,8 --output-delimiter ' ' || true
}
