# Sourced by the other scripts. NAME, SERVICE, REPLICAS, QUORUM, POD_NAME and REDISCLI_AUTH come from the pod.
# Every address is a pod's name in DNS: addresses of pods change, names do not.
self="$POD_NAME.$SERVICE"

sentinel() { # sentinel ORDINAL COMMAND...
  ordinal=$1
  shift
  timeout 3 redis-cli -h "$NAME-$ordinal.$SERVICE" -p 26379 "$@" 2>/dev/null
}

# One line "EPOCH MASTER REPLICAS" for each Sentinel that answers. The newest election has the highest epoch.
answers() {
  for ordinal in $(seq 0 $((REPLICAS - 1))); do
    sentinel "$ordinal" sentinel master mymaster | awk '
      key == "ip" { master = $0 }
      key == "config-epoch" { epoch = $0 }
      key == "num-slaves" { replicas = $0 }
      { key = $0 }
      END { if (master != "") print epoch, master, replicas }'
  done
}

newest() { sort -n | tail -n 1; }
