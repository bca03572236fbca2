# Sourced by every script of the node: where things are, its addresses, how programs are run.

programs=${AETERNA_CLUSTER:-/opt/aeterna-cluster}            # kept: built and unpacked programs
state=${AETERNA_CLUSTER_STATE:-/var/lib/aeterna-cluster}     # keys, etcd, images, volumes, logs
run=/run/aeterna-cluster                                     # sockets and process ids
bin=$programs/bin
cni=$programs/cni
log=$state/log
keys=$state/keys
containerd_socket=$run/containerd.sock

kubernetes_version=v1.34.4

# The node lives in a network namespace: its ports, rules and routes never touch the machine's. The
# two meet on a veth pair. There is no default route, so that no pod reaches anything outside.
network=aeterna-node
uplink=aeterna0
node_name=node
host_address=10.231.0.1
node_address=10.231.0.2
pod_range=10.244.0.0/24
service_range=10.96.0.0/16
api_address=10.96.0.1
dns_address=10.96.0.10

export PATH=$bin:$PATH
export KUBECONFIG=$state/kubeconfig

say() { printf 'cluster: %4ds  %s\n' "$SECONDS" "$*"; }
fail() { printf 'cluster: %s\n' "$*" >&2 && exit 1; }
in_network() { nsenter --net="/run/netns/$network" "$@"; }
images() { "$bin/ctr" --address "$containerd_socket" --namespace k8s.io "$@"; }

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "gave up waiting for $what (logs: $log)"
    sleep 0.5
  done
}

# Whether the program that `start` started runs. Its name is compared too: the kernel may have given
# the number to another process since.
alive() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "${1:0:15}" ]
}

# start NAME ARGUMENT...: run a program of ours in the node's network, in a session of its own.
start() {
  local name=$1
  shift
  alive "$name" && return
  setsid nsenter --net="/run/netns/$network" "$bin/$name" "$@" >>"$log/$name.log" 2>&1 </dev/null &
  echo $! >"$run/$name.pid"
}

stop() {
  local pid
  if alive "$1"; then
    pid=$(cat "$run/$1.pid")
    kill "$pid"
    for _ in {1..60}; do alive "$1" || break; sleep 0.25; done
    ! alive "$1" || kill -9 "$pid"
  fi
  rm -f "$run/$1.pid"
}

# configure NAME FILE: writes a program's settings from standard input. Nothing happens when they are
# the same (kube-proxy ends by itself when its file is written); else the program is stopped, so that
# `start` starts it with the new ones.
configure() {
  cat >"$2.new"
  if cmp -s "$2.new" "$2"; then
    rm "$2.new"
  else
    stop "$1"
    mv "$2.new" "$2"
  fi
}
