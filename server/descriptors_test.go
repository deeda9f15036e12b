package server_test

import (
	"net"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// TestDescriptorsForTheDisk: clients without a session that take all descriptors they can get do
// not keep the log from its next file, nor a tool from its answer.
func TestDescriptorsForTheDisk(t *testing.T) {
	limited := []string{"sh", "-c", `ulimit -n 100 && exec "$0" "$@"`}
	cfg := zooCfg(t, t.TempDir())
	c := launch(t, limited, "serve", "-o", "json", "--config", cfg)
	c.addr = address(t, c)
	w := connect(t, c.addr)
	w.must(wire.OpCreate, creation("/a", nil, 0))
	var flood []net.Conn
	for range 150 {
		flood = append(flood, dial(t, c.addr).nc)
	}
	if _, err := c.log.wait(said("connection refused")); err != nil {
		t.Fatal(err)
	}
	// More than a file of the log holds, and enough for a checkpoint.
	for range 80 {
		w.must(wire.OpSetData, set("/a", make([]byte, 1_000_000)))
	}
	if _, err := c.log.wait(said("state saved")); err != nil {
		t.Error(err)
	}
	tool := launch(t, nil, "status", "--config", cfg)
	if <-tool.done; tool.err != nil {
		t.Errorf("status: %v", tool.err)
	}
	for _, nc := range flood {
		nc.Close()
	}
	for dial(t, c.addr).handshake(wire.ConnectRequest{TimeoutMs: 5000}) != nil {
		continue // until the server has noticed
	}
}
