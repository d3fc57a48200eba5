#!/bin/bash
# Each pod takes back the newest snapshot of each collection. What changed since is lost.
set -euo pipefail
. /sophia/qdrant-common.sh

for host in $(hosts); do
    collections="$(request GET "$host" /collections)"
    for collection in $(printf '%s' "$collections" | names); do
        kept="$(request GET "$host" "/collections/$collection/snapshots")"
        newest="$(printf '%s' "$kept" | snapshots | sort -k 2 | tail -n 1 | cut -d ' ' -f 1)"
        [ -n "$newest" ] || continue
        request PUT "$host" "/collections/$collection/snapshots/recover" \
            "{\"location\":\"file:///qdrant/snapshots/$collection/$newest\"}" > /dev/null
        echo "$host: $collection restored from $newest"
    done
done
