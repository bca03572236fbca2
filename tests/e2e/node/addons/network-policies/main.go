// Command network-policies enforces NetworkPolicy on a node that runs all pods of its cluster. It
// keeps one nftables table equal to what the policies say: network-policies KUBECONFIG.
package main

import (
	"context"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	burst = 50 * time.Millisecond // changes that arrive together are applied together
	retry = time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	observe, changed := watch(factory)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	keep(ctx, observe, changed)
}

// watch gives a view of the cluster and a channel that says when to look again.
func watch(factory informers.SharedInformerFactory) (func() cluster, chan struct{}) {
	policies, namespaces, pods := factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Namespaces(), factory.Core().V1().Pods()
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	for _, informer := range []cache.SharedIndexInformer{policies.Informer(), namespaces.Informer(), pods.Informer()} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { wake() },
			UpdateFunc: func(any, any) { wake() },
			DeleteFunc: func(any) { wake() },
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	// Listers read memory and cannot fail.
	observe := func() cluster {
		seen := cluster{namespaces: map[string]labels.Set{}}
		seen.policies, _ = policies.Lister().List(labels.Everything())
		listed, _ := namespaces.Lister().List(labels.Everything())
		for _, namespace := range listed {
			seen.namespaces[namespace.Name] = namespace.Labels
		}
		all, _ := pods.Lister().List(labels.Everything())
		seen.pods = onPodNetwork(all)
		return seen
	}
	return observe, changed
}

// keep applies the rules whenever they differ from the last ones, until the context ends.
func keep(ctx context.Context, observe func() cluster, changed chan struct{}) {
	applied := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			time.Sleep(burst)
		}
		for {
			rules := render(observe())
			if rules == applied {
				break
			}
			if err := apply(ctx, rules); err == nil {
				applied = rules
				break
			} else if ctx.Err() != nil {
				return
			} else {
				log.Printf("%v\n%s", err, rules)
				time.Sleep(retry)
			}
		}
	}
}

// apply replaces the table in one transaction: at no time are there fewer rules than before.
func apply(ctx context.Context, rules string) error {
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin, nft.Stderr = strings.NewReader(rules), os.Stderr
	return nft.Run()
}
