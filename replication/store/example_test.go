package store_test

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/vivariumdb/vivarium/replication/store"
)

// A simulator takes an append effect by effect, and cuts the power in the middle.
func ExampleMemory() {
	options := store.Options{DataDir: "/", DiskID: store.DiskID{1}}
	disk := store.NewMemory()
	if _, err := disk.Open(options); err != nil {
		fmt.Println(err)
		return
	}
	term, index := uint64(1), uint64(1)
	batch := store.Batch{
		HardState: &raftpb.HardState{Term: &term},
		Entries:   []*raftpb.Entry{{Term: &term, Index: &index, Data: []byte("hello")}},
	}
	plan := disk.PlanAppend(batch)
	for plan.Next() != store.EffectLogSync {
		fmt.Println(plan.Next())
		if err := plan.Do(); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("unsynced:", disk.Pending())

	disk = disk.Crash(store.Torn)
	found, err := disk.Open(options)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("entries:", len(found.Entries))
	for _, d := range found.Damage {
		fmt.Println(d)
	}
	// Output:
	// log write
	// unsynced: [log write]
	// entries: 0
	// log: offset 0: torn record, never acknowledged
}
