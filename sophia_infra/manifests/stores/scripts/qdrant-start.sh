#!/bin/sh
# In a group the first pod opens it and the others join it.
set -eu
cd /qdrant
if [ "$GROUP" != yes ]; then
    exec ./qdrant
fi
me="http://$POD_NAME.$POD_DOMAIN:6335"
if [ "$POD_NAME" = "$STORE-0" ]; then
    exec ./qdrant --uri "$me"
fi
exec ./qdrant --bootstrap "http://$STORE-0.$POD_DOMAIN:6335" --uri "$me"
