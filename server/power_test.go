package server_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
)

// TestPowerFailure takes copies of the disk of a server under load as a power failure would
// leave it, with nothing of what was not synced or with some of it. A server that starts on
// the copy has every write that was acknowledged before, and no half of a multi. Checkpoints
// and cuts of the log are under way all the time.
func TestPowerFailure(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	options := func(fs vfs.FS) server.Options {
		return server.Options{FS: fs, Config: &config.Config{DataDir: "/data"},
			Member: replication.Config{CheckpointBytes: 50 << 10, IdleTicks: 1},
			Store:  store.Options{SegmentSize: 64 << 10, ReadySegments: 1}}
	}
	disk := vfs.NewCrashableMem()
	s := start(t, options(disk))
	var registers []*register
	var pairs []*pair
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		r := &register{path: fmt.Sprintf("/register-%d", i), pad: 100 * i}
		p := &pair{path: fmt.Sprintf("/pair-%d", i)}
		registers, pairs = append(registers, r), append(pairs, p)
		for _, w := range []worker{r, p} {
			c := connect(t, s.Addr())
			if err := w.check(c); err != nil {
				t.Fatal(err)
			}
			all.Go(func() { writeUntil(c, w, stop) })
		}
	}
	copies := 10
	if testing.Short() {
		copies = 5
	}
	writes := int64(0)
	for n := range copies {
		before := registers[0].acked.Load()
		for i, r := range registers {
			for r.acked.Load() < before+20 || pairs[i].acked.Load() == 0 {
				runtime.Gosched() // until there is something new
			}
		}
		// What is acknowledged now has to be in the copy; what is sent by its end may be.
		was := acknowledged(registers, pairs)
		var lost vfs.CrashCloneCfg
		if n%2 == 1 {
			lost = vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(
				rand.NewPCG(seed, random.Uint64()))}
		}
		left := disk.CrashClone(lost)
		for i, r := range registers {
			was.workers[i].(*register).sent.Store(r.sent.Load())
			was.workers[len(registers)+i].(*pair).sent.Store(pairs[i].sent.Load())
		}
		again := start(t, options(left))
		c := connect(t, again.Addr())
		for _, w := range was.workers {
			if err := w.check(c); err != nil {
				t.Fatalf("copy %d: %v", n, err)
			}
		}
		c.nc.Close()
		if err := again.stop(); err != nil {
			t.Fatal(err)
		}
		writes = registers[0].acked.Load()
	}
	close(stop)
	all.Wait()
	t.Logf("%d copies, the last after %d writes to one znode and %d checkpoints", copies, writes,
		len(s.log.all(said("state saved"))))
}

// acknowledged is what a copy of the disk made from now on has to hold.
func acknowledged(registers []*register, pairs []*pair) *killLoad {
	load := &killLoad{}
	for _, r := range registers {
		one := &register{path: r.path}
		one.acked.Store(r.acked.Load())
		load.workers = append(load.workers, one)
	}
	for _, p := range pairs {
		one := &pair{path: p.path}
		one.acked.Store(p.acked.Load())
		load.workers = append(load.workers, one)
	}
	return load
}

// writeUntil lets a worker write in a pipeline until stop is closed and all is answered.
func writeUntil(c *client, w worker, stop <-chan struct{}) {
	inflight := make(chan struct{}, 20)
	go func() {
		defer close(inflight)
		for xid := int32(1); ; xid++ {
			select {
			case <-stop:
				return
			case inflight <- struct{}{}:
			}
			if _, err := c.nc.Write(w.next(nil, xid)); err != nil {
				c.t.Error(err)
				return
			}
		}
	}()
	for range inflight {
		p, err := c.reply()
		if err == nil {
			err = w.ack(p)
		}
		if err != nil {
			c.t.Error(err)
			return
		}
	}
}
