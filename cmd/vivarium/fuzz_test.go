package main

import "testing"

// FuzzWords gives the command status whatever a server may answer: what it does not know stays
// unknown, and nothing panics.
func FuzzWords(f *testing.F) {
	f.Add("Zookeeper version: 3.9.4\nLatency min/avg/max: 0/1.5/7\nMode: leader\nNode count: 5\n",
		"zk_version\t3.9.4\nzk_server_state\tleader\nzk_uptime\t77\n")
	f.Add("Latency min/avg/max: 0/x\n", "zk_uptime\t99999999999999999999\n")
	f.Fuzz(func(t *testing.T, srvr, mntr string) {
		r := &statusReport{}
		r.addSrvr(srvr)
		r.addMntr(mntr)
		if n := r.UptimeMs; n != nil {
			span(*n)
		}
	})
}
