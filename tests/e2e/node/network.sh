# Sourced by `up` and `down`: the node's network.

network_up() {
  [ -e "/run/netns/$network" ] || ip netns add "$network"
  ip link show "$uplink" >/dev/null 2>&1 ||
    ip link add "$uplink" type veth peer name eth0 netns "$network"
  ip address replace "$host_address/30" dev "$uplink"
  ip link set "$uplink" up
  in_network ip link set lo up
  in_network ip address replace "$node_address/30" dev eth0
  in_network ip link set eth0 up
  # From the machine, pods and services are reached through the node.
  ip route replace "$pod_range" via "$node_address"
  ip route replace "$service_range" via "$node_address"
  # A program of the node needs a route to a service's address before nftables translates it.
  in_network ip route replace "$service_range" dev eth0
  # Packets from pod to pod on the bridge pass nftables: services and network policies need it.
  in_network sh -c '
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
    echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables'
  mkdir -p "$state/cni"
  cat >"$state/cni/10-pods.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "$network", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pod_range"}]], "dataDir": "$state/ipam"}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
}

network_down() {
  # What pods leave behind in shared places bears the name of our network or of a container of ours.
  local results=/var/lib/cni/results result container
  for result in "$results/$network"-*-eth0; do
    [ -e "$result" ] || continue
    container=${result#"$results/$network"-}
    ip netns delete "$(grep -o 'cni-[0-9a-f-]\{36\}' "$result" | head -1)" 2>/dev/null || true
    rm -f "$result" "$results/cni-loopback-${container%-eth0}-lo"
  done
  ip link delete "$uplink" 2>/dev/null || true
  ip netns delete "$network" 2>/dev/null || true
}
