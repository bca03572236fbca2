#!/bin/sh
# Before the pod stops: a master hands over. Writes are held back meanwhile, so that none is acknowledged and lost.
set -u
. /etc/redis-sentinel/common.sh
case $(redis-cli role | head -n 1) in master) ;; *) exit 0 ;; esac
if [ "$REPLICAS" -eq 1 ]; then exit 0; fi
redis-cli client pause 20000 write
sleep 1
asked=no
for _ in $(seq 15); do
  case $(answers | newest) in
    *" $self "*) ;;
    *) exit 0 ;;
  esac
  for ordinal in $(seq 0 $((REPLICAS - 1))); do
    [ "$asked" = no ] || break
    [ "$NAME-$ordinal" != "$POD_NAME" ] || continue
    if [ "$(sentinel "$ordinal" sentinel failover mymaster)" = OK ]; then asked=yes; fi
  done
  sleep 1
done
redis-cli client unpause
