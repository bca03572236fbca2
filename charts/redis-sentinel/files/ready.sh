#!/bin/sh
# ready.sh redis: a master, or a replica whose link is up. ready.sh sentinel: a failover could be decided now, to one
# of all replicas: a Sentinel learns of them some seconds after it starts.
set -eu
. /etc/redis-sentinel/common.sh
case $1 in
  redis)
    redis-cli role | awk 'NR == 1 { role = $0 } NR == 4 { link = $0 } END { exit !(role == "master" || link == "connected") }'
    ;;
  sentinel)
    redis-cli -p 26379 sentinel ckquorum mymaster | grep -q ^OK
    [ "$(redis-cli -p 26379 sentinel master mymaster | grep -A 1 '^num-slaves$' | tail -n 1)" -ge $((REPLICAS - 1)) ]
    ;;
esac
