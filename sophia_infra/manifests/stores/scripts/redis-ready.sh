#!/bin/sh
# Whether the server on port $1 answers.
set -eu
. /sophia/redis-common.sh
ask 127.0.0.1 "$1" PING | grep -q PONG
