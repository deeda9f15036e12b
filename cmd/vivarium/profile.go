package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
)

// serveProfiles offers the runtime's profiles over HTTP, for whoever works on the server's speed.
// Profiles tell what is in memory, so only a loopback address is taken. The listener closes with
// the process.
func serveProfiles(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return usageError{fmt.Errorf("--profile %q: want a loopback address with a port, "+
			"as 127.0.0.1:6060", address)}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for profiles: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	go http.Serve(l, mux)
	return nil
}
