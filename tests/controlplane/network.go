// An empty network namespace in, a bed out whose addresses are all local. It never touches a namespace that has another link up.

package main

import (
	"fmt"
	"io"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The addresses of the bed. Kubernetes refuses loopback addresses in EndpointSlices, so nodes, pods and services get ranges that are
// local to the namespace instead: every address in them can be bound and reached, and none of them leaves it.
const (
	nodeAndPodRange = "10.64.0.0/16"
	serviceRange    = "10.96.0.0/16"
	// The host of the API server; 10.64.0.0/24 is kept for such hosts.
	hostAddress = "10.64.0.1"
	// The first address of the service range belongs to the service `kubernetes`.
	kubernetesService = "10.96.0.1"
)

// makeNetwork makes the ranges local. It refuses a namespace that has a way out, because everything here trusts that there is none.
func makeNetwork() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list network links: %w", err)
	}
	for _, link := range links {
		if link.Attrs().Flags&net.FlagLoopback == 0 && link.Attrs().Flags&net.FlagUp != 0 {
			return fmt.Errorf("the network link %s is up: not inside a network namespace of its own, call `start`", link.Attrs().Name)
		}
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback link: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("set the loopback link up: %w", err)
	}
	for _, text := range []string{nodeAndPodRange, serviceRange} {
		_, addresses, err := net.ParseCIDR(text)
		if err != nil {
			return err
		}
		route := netlink.Route{
			LinkIndex: loopback.Attrs().Index,
			Dst:       addresses,
			Type:      unix.RTN_LOCAL,
			Table:     unix.RT_TABLE_LOCAL,
			Scope:     netlink.SCOPE_HOST,
		}
		if err := netlink.RouteReplace(&route); err != nil {
			return fmt.Errorf("make %s local: %w", text, err)
		}
	}
	return nil
}

// serveKubernetesService is the only piece of kube-proxy that is needed: in-cluster clients find the API server at the address of the
// service `kubernetes`. The API server cannot listen there itself without taking its port on every pod address.
func serveKubernetesService() error {
	listener, err := net.Listen("tcp", net.JoinHostPort(kubernetesService, "443"))
	if err != nil {
		return fmt.Errorf("listen on the address of the service kubernetes: %w", err)
	}
	go func() {
		for {
			inward, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(inward.(*net.TCPConn), net.JoinHostPort(hostAddress, apiPort))
		}
	}()
	return nil
}

func forward(inward *net.TCPConn, address string) {
	defer inward.Close()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	outward := connection.(*net.TCPConn)
	defer outward.Close()
	ended := make(chan struct{}, 2)
	copyHalf := func(to, from *net.TCPConn) {
		_, _ = io.Copy(to, from)
		_ = to.CloseWrite()
		ended <- struct{}{}
	}
	go copyHalf(outward, inward)
	go copyHalf(inward, outward)
	<-ended
	<-ended
}
