#!/bin/bash
# Each pod writes a snapshot of each collection to its snapshot volume; old ones go only after that worked.
set -euo pipefail
. /sophia/qdrant-common.sh

limit="$(date -u -d "-$KEEP_DAYS days" +%Y-%m-%dT%H:%M:%S)"
for host in $(hosts); do
    collections="$(request GET "$host" /collections)"
    for collection in $(printf '%s' "$collections" | names); do
        made="$(request POST "$host" "/collections/$collection/snapshots")"
        echo "$host: $collection copied to $(printf '%s' "$made" | names)"
        kept="$(request GET "$host" "/collections/$collection/snapshots")"
        printf '%s' "$kept" | snapshots | while read -r snapshot created; do
            if [[ "$created" < "$limit" ]]; then
                request DELETE "$host" "/collections/$collection/snapshots/$snapshot" > /dev/null
            fi
        done
    done
done
