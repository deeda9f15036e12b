package store_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication/store"
)

// A disk tells its place in an ensemble after each restart; one that has none tells none.
func TestSeat(t *testing.T) {
	o := store.Options{DataDir: "/data", LogDir: "/log", DiskID: store.DiskID{1}, Quiet: true}
	for _, want := range []store.Seat{{}, {Cluster: core.ClusterID{1, 15: 9}, RaftID: 12}} {
		fs, mem := vfs.NewMem(), store.NewMemory()
		for restart := range 3 {
			s, rec, err := store.Open(fs, o)
			if err != nil {
				t.Fatal(err)
			}
			inMemory, err := mem.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			if restart > 0 && (rec.Seat != want || inMemory.Seat != want) {
				t.Errorf("seat %+v: restart %d has %+v, in memory %+v", want, restart, rec.Seat,
					inMemory.Seat)
			}
			if want.RaftID != 0 && restart == 0 {
				for _, d := range []store.Disk{s, mem} {
					if err := d.Sit(want); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, d := range []store.Disk{s, mem} {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			mem = mem.Restart()
		}
	}
}

func TestDamagedSeat(t *testing.T) {
	const file = "/data/vivarium/member"
	o := store.Options{DataDir: "/data", LogDir: "/log", DiskID: store.DiskID{1}, Quiet: true}
	good := "vivarium member 1\n01000000000000000000000000000000 3\n"
	for _, text := range []string{"", good[:20], good + "x", good[1:],
		"vivarium member 1\n0100 3\n", "vivarium member 1\n" + good[18:51] + "03\n",
		"vivarium member 2\n" + good[18:]} {
		fs := vfs.NewMem()
		s, _, err := store.Open(fs, o)
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		f, err := fs.Create(file, "test")
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = store.Open(fs, o)
		corrupt, version := new(store.CorruptError), new(store.VersionError)
		if !errors.As(err, &corrupt) && !errors.As(err, &version) {
			t.Errorf("seat %q: opened with %v, want an error", text, err)
		}
	}
}
