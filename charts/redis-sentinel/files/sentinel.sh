#!/bin/sh
# Starts the Sentinel with the values of the chart and with what it knew before: epochs, replicas, other Sentinels.
set -eu
. /etc/redis-sentinel/common.sh
umask 077
mkdir -p /data/sentinel
file=/data/sentinel/sentinel.conf
known=$(sed -n 's/^sentinel monitor mymaster \([^ ]*\) .*/\1/p' "$file" 2>/dev/null || true)
if [ -z "$known" ]; then
  # A new volume: the others know who was elected. Nobody knows only when the whole installation is new.
  known=$(answers | newest | cut -d ' ' -f 2)
fi
state=$(grep -E '^sentinel (config-epoch|leader-epoch|current-epoch|known-replica|known-sentinel) ' "$file" 2>/dev/null || true)
cat > "$file.new" <<CONF
port 26379
protected-mode no
dir /tmp
requirepass $REDISCLI_AUTH
sentinel sentinel-pass $REDISCLI_AUTH
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $self
sentinel announce-port 26379
sentinel myid $(printf %s "$self" | sha1sum | cut -c 1-40)
sentinel monitor mymaster ${known:-$NAME-0.$SERVICE} 6379 $QUORUM
sentinel auth-pass mymaster $REDISCLI_AUTH
sentinel down-after-milliseconds mymaster $DOWN_AFTER
sentinel failover-timeout mymaster $FAILOVER_TIMEOUT
sentinel parallel-syncs mymaster 1
$state
CONF
mv "$file.new" "$file"
exec redis-server "$file" --sentinel
