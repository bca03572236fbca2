#!/bin/sh
# Patroni's own way of starting a cluster, in place of initdb: from the backups of another cluster.
# The settings of the source are in a folder of their own, so that this cluster archives elsewhere.
set -eu
target=""
if [ -n "$RESTORE_TARGET_TIME" ]; then
  target="--type=time --target-action=promote"
fi
# shellcheck disable=SC2086  # two options, or none
exec pgbackrest --config-path=/etc/pgbackrest-source --stanza="$BACKUP_STANZA" \
  $target ${RESTORE_TARGET_TIME:+"--target=$RESTORE_TARGET_TIME"} restore
