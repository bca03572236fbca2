#!/bin/sh
# Starts Redis as what the Sentinels say it is. It waits for a quorum of them, so that after a full stop, whatever
# comes up first, nobody becomes master by its place.
set -eu
. /etc/redis-sentinel/common.sh
umask 077
mkdir -p /data/redis

elected() {
  answers > /tmp/answers
  if [ "$(wc -l < /tmp/answers)" -lt "$QUORUM" ]; then
    echo "waiting for $QUORUM Sentinels"
    return 1
  fi
  read -r _ master replicas <<LINE
$(newest < /tmp/answers)
LINE
  # An empty master would have its replicas delete what they hold. Down for long enough, it is replaced by one of them.
  if [ "$master" = "$self" ] && [ "$replicas" -gt 0 ] && [ ! -d /data/redis/appendonlydir ]; then
    echo "master without data while $replicas replicas are known: waiting for a failover"
    return 1
  fi
}

until elected; do sleep 1; done
cat > /tmp/redis.conf <<CONF
include /etc/redis-sentinel/redis.conf
requirepass $REDISCLI_AUTH
masterauth $REDISCLI_AUTH
replica-announce-ip $self
CONF
if [ "$master" != "$self" ]; then
  echo "replicaof $master 6379" >> /tmp/redis.conf
fi
echo "starting; the master is $master"
exec redis-server /tmp/redis.conf
