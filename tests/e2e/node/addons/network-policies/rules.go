package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

type cluster struct {
	policies   []*networkv1.NetworkPolicy
	namespaces map[string]labels.Set
	pods       []*corev1.Pod
}

// peer is what one end of an allowed connection may be: a pod, or a match of addresses.
type peer struct {
	match string // of nftables; empty for everything
	pod   *corev1.Pod
}

type direction struct {
	kind         networkv1.PolicyType
	chain, field string // prefix of the pods' chains; the header field with the pod's peer
}

var (
	ingress = direction{networkv1.PolicyTypeIngress, "to", "saddr"}
	egress  = direction{networkv1.PolicyTypeEgress, "from", "daddr"}
)

// onPodNetwork leaves out pods that are over or share the node's network, and sorts the others.
func onPodNetwork(pods []*corev1.Pod) []*corev1.Pod {
	var kept []*corev1.Pod
	for _, pod := range pods {
		over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !over {
			kept = append(kept, pod)
		}
	}
	slices.SortFunc(kept, func(a, b *corev1.Pod) int { return cmp.Compare(a.Status.PodIP, b.Status.PodIP) })
	return kept
}

// render gives the whole table for nft. Each isolated pod has a chain for each direction, which
// returns what is allowed and drops the rest; a connection has to pass both ends. Addresses are seen
// after the translation of services. What the node itself sends (probes) is never filtered; what a
// pod sends to the node (the API server) is, as it would be on a cluster of many nodes.
func render(seen cluster) string {
	slices.SortFunc(seen.policies, func(a, b *networkv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	chains, toPods := seen.chains(ingress)
	fromChains, fromPods := seen.chains(egress)
	base := "\tchain %s {\n\t\ttype filter hook %s priority filter; policy accept;\n\t\tct state established,related accept\n%s\t}\n"
	return "table inet network-policies\ndelete table inet network-policies\ntable inet network-policies {\n" +
		chains + fromChains +
		fmt.Sprintf(base, "forward", "forward", dispatch("saddr", fromPods)+dispatch("daddr", toPods)) +
		fmt.Sprintf(base, "input", "input", dispatch("saddr", fromPods)) + "}\n"
}

func dispatch(field string, jumps []string) string {
	if len(jumps) == 0 {
		return ""
	}
	return fmt.Sprintf("\t\tip %s vmap { %s }\n", field, strings.Join(jumps, ", "))
}

func (seen cluster) chains(way direction) (chains string, jumps []string) {
	for _, pod := range seen.pods {
		rules, isolated := seen.rules(pod, way)
		if !isolated {
			continue
		}
		address := pod.Status.PodIP
		itself := fmt.Sprintf("ip %s %s return", way.field, address)
		lines := append(append([]string{itself}, rules...), "drop")
		chains += fmt.Sprintf("\tchain %s-%s {\n\t\t%s\n\t}\n", way.chain, address, strings.Join(lines, "\n\t\t"))
		jumps = append(jumps, fmt.Sprintf("%s : jump %s-%s", address, way.chain, address))
	}
	return chains, jumps
}

// rules are those of all policies that select the pod; isolated is whether any does.
func (seen cluster) rules(pod *corev1.Pod, way direction) (rules []string, isolated bool) {
	for _, policy := range seen.policies {
		spec := policy.Spec
		if policy.Namespace != pod.Namespace || !slices.Contains(spec.PolicyTypes, way.kind) || !selects(&spec.PodSelector, pod.Labels) {
			continue
		}
		isolated = true
		if way == ingress {
			for _, rule := range spec.Ingress {
				rules = append(rules, seen.allow(way, policy.Namespace, rule.From, rule.Ports, pod)...)
			}
		} else {
			for _, rule := range spec.Egress {
				rules = append(rules, seen.allow(way, policy.Namespace, rule.To, rule.Ports, nil)...)
			}
		}
	}
	return rules, isolated
}

// allow has a rule for each peer and port. The server's pod gives named ports their numbers; it is
// the peer's when there is none. (A named port towards everything means nothing here.)
func (seen cluster) allow(way direction, namespace string, allowed []networkv1.NetworkPolicyPeer, ports []networkv1.NetworkPolicyPort, server *corev1.Pod) (rules []string) {
	for _, peer := range seen.peers(way, namespace, allowed) {
		named := server
		if named == nil {
			named = peer.pod
		}
		for _, port := range matches(ports, named) {
			rules = append(rules, strings.Join(strings.Fields(peer.match+" "+port+" return"), " "))
		}
	}
	return rules
}

func (seen cluster) peers(way direction, namespace string, allowed []networkv1.NetworkPolicyPeer) (found []peer) {
	if len(allowed) == 0 {
		return []peer{{}}
	}
	for _, one := range allowed {
		if one.IPBlock != nil {
			found = append(found, peer{match: block(way, one.IPBlock)})
			continue
		}
		for _, pod := range seen.pods {
			near := one.NamespaceSelector == nil && pod.Namespace == namespace
			far := one.NamespaceSelector != nil && selects(one.NamespaceSelector, seen.namespaces[pod.Namespace])
			if (near || far) && (one.PodSelector == nil || selects(one.PodSelector, pod.Labels)) {
				found = append(found, peer{fmt.Sprintf("ip %s %s", way.field, pod.Status.PodIP), pod})
			}
		}
	}
	return found
}

func block(way direction, allowed *networkv1.IPBlock) string {
	match := fmt.Sprintf("ip %s %s", way.field, allowed.CIDR)
	if len(allowed.Except) > 0 {
		match += fmt.Sprintf(" ip %s != { %s }", way.field, strings.Join(allowed.Except, ", "))
	}
	return match
}

func matches(ports []networkv1.NetworkPolicyPort, server *corev1.Pod) (found []string) {
	if len(ports) == 0 {
		return []string{""}
	}
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		name := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			found = append(found, "meta l4proto "+name)
		case port.Port.StrVal != "":
			for _, number := range numbers(server, protocol, port.Port.StrVal) {
				found = append(found, fmt.Sprintf("%s dport %d", name, number))
			}
		case port.EndPort != nil:
			found = append(found, fmt.Sprintf("%s dport %d-%d", name, port.Port.IntVal, *port.EndPort))
		default:
			found = append(found, fmt.Sprintf("%s dport %d", name, port.Port.IntVal))
		}
	}
	return found
}

// numbers of a named port, which a pod's containers declare.
func numbers(pod *corev1.Pod, protocol corev1.Protocol, name string) (found []int32) {
	if pod == nil {
		return nil
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, port := range container.Ports {
			if port.Name == name && port.Protocol == protocol {
				found = append(found, port.ContainerPort)
			}
		}
	}
	return found
}

func selects(selector *metav1.LabelSelector, on labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector) // the API server has validated it
	return err == nil && parsed.Matches(on)
}
