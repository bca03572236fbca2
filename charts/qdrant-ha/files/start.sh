#!/bin/sh
# The first node makes the cluster, the others join it there. Later starts find the peers in their own storage, where
# both addresses are only a fallback.
set -eu
first="http://$NAME-0.$SERVICE:6335"
if [ "$POD_NAME" = "$NAME-0" ]; then
  exec ./qdrant --uri "$first"
fi
exec ./qdrant --bootstrap "$first" --uri "http://$POD_NAME.$SERVICE:6335"
