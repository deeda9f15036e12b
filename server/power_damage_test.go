package server_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	slash "path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/replication/store"
)

var damagePositions = flag.Int("positions", 8,
	"how often TestDamage damages each kind of file in each way")

// damageKinds are what a disk does to a block without a word, and what it does to a file.
var damageKinds = []struct {
	name string
	do   func(*damagedDisk, string) bool // false: there is nothing to be damaged that way
}{
	{"flipped bit", (*damagedDisk).flipBit},
	{"stale 512", func(d *damagedDisk, name string) bool { return d.stale(name, 512) }},
	{"stale 4096", func(d *damagedDisk, name string) bool { return d.stale(name, 4096) }},
	{"zeroed 512", func(d *damagedDisk, name string) bool { return d.zero(name, 512) }},
	{"cut short", (*damagedDisk).truncate},
	{"stale file", (*damagedDisk).staleFile},
	{"missing", (*damagedDisk).remove},
}

// TestDamage flips bits of the files of a real server, puts older versions of their blocks back,
// cuts them short and takes them away. What is left is refused, with the file named, or it is the
// State of a naive replay up to the last entry: nothing is lost without a word. There are two
// disks: of a server that ended in an orderly way, and of one that lost its power. On the second,
// a damaged record behind the mark may be what was never acknowledged: it is dropped, and said to
// be. If there is no trace of it left, nothing can be said.
func TestDamage(t *testing.T) {
	p := newPowerTest(t)
	for _, orderly := range []bool{true, false} {
		name := "after a power failure"
		if orderly {
			name = "after an orderly end"
		}
		t.Run(name, func(t *testing.T) {
			disks, err := p.disksToDamage(orderly)
			if err != nil {
				t.Fatalf("%v; seed %d", err, p.seed)
			}
			counts, refused := map[string]*[outcomes]int{}, 0
			for _, d := range disks {
				d.damageAll(t, counts, *damagePositions/len(disks)+1)
			}
			text := fmt.Sprintf("seed %d\n%-12s %-12s", p.seed, "file", "damage")
			for _, o := range outcomeNames {
				text += fmt.Sprintf(" %8s", o)
			}
			for _, key := range slices.Sorted(maps.Keys(counts)) {
				if *counts[key] == ([outcomes]int{}) {
					continue // such a file has no such past
				}
				text += fmt.Sprintf("\n%-25s", key)
				for _, n := range counts[key] {
					text += fmt.Sprintf(" %8d", n)
				}
				refused += counts[key][damageRefused]
			}
			t.Log(text)
			if refused < len(counts) {
				t.Errorf("%d refused, that is hardly any", refused)
			}
		})
	}
}

// What becomes of a damaged disk.
const (
	damageRefused = iota
	damageWhole
	damageDropped // above the mark, and said to be damaged
	damageUnseen  // above the mark, and as if it had never been written: docs/LIMITS.md
	damageWrong
	outcomes
)

var outcomeNames = [outcomes]string{"refused", "whole", "dropped", "unseen", "wrong"}

// damagedDisk is a disk of which copies are damaged.
type damagedDisk struct {
	p      *powerTest
	run    *powerRun
	image  *vfs.MemFS
	older  []*vfs.MemFS // what it looked like before
	log    *logBook
	random *rand.Rand
	index  uint64 // the last entry on it
	acked  uint64 // the last entry that the mark knows

	fs     *vfs.MemFS // the copy
	digest map[uint64][16]byte
}

// disksToDamage loads servers for it.
func (p *powerTest) disksToDamage(orderly bool) (disks []*damagedDisk, err error) {
	for n := range uint64(3) {
		random := rand.New(rand.NewPCG(p.seed, 1000+n))
		r := p.draw(random)
		r.member.CheckpointBytes, r.store.SegmentSize = 40<<10, 32<<10
		r.member.IdleTicks, r.store.MarkMs = 1, 1
		r.logDir = []string{"/data", "/log"}[n%2]
		o := newOutage(vfs.NewCrashableMem())
		o.draw(rand.New(rand.NewPCG(p.seed, n)), 100, func(b boundary) bool { return true })
		if _, err := p.load(r, o, random); err != nil {
			return nil, err
		}
		d := &damagedDisk{p: p, run: r, image: o.disk, log: o.log, random: random,
			digest: map[uint64][16]byte{}}
		shots := o.shots
		if !orderly {
			last := len(shots) - 1 - random.IntN(len(shots)/4)
			d.image, shots = shots[last].image, shots[:last]
		}
		for _, s := range shots {
			d.older = append(d.older, s.image)
		}
		found, err := d.open(copyOf(d.image))
		if err != nil {
			return nil, fmt.Errorf("without any damage: %w", err)
		}
		d.index, d.acked = found.index, found.mark
		if want, err := d.want(d.index); err != nil || want != found.digest {
			return nil, fmt.Errorf("without any damage: digest %x, want %x, %v", found.digest, want,
				err)
		}
		disks = append(disks, d)
	}
	return disks, nil
}

func copyOf(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100,
		RNG: rand.New(rand.NewPCG(1, 1))})
}

// want is the digest of a naive replay up to index.
func (d *damagedDisk) want(index uint64) ([16]byte, error) {
	if digest, ok := d.digest[index]; ok {
		return digest, nil
	}
	m := newModel()
	if index < 1 {
		return [16]byte{}, fmt.Errorf("the disk ends at %d", index)
	}
	if err := m.replay(d.log, index, newResults()); err != nil {
		return [16]byte{}, err
	}
	d.digest[index] = m.digest()
	return d.digest[index], nil
}

// loaded is what a server would start to serve with.
type loaded struct {
	index, mark uint64
	digest      [16]byte
	damage      []store.Damage
}

// open reads a disk as a server does when it starts, and applies all of the log.
func (d *damagedDisk) open(fs *vfs.MemFS) (l loaded, err error) {
	o := d.run.store
	o.DataDir, o.LogDir, o.DiskID = "/data", d.run.logDir, store.DiskID{1}
	disk, found, err := store.Open(fs, o)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	if found.Empty {
		return l, errors.New("it counts as a new disk")
	}
	rec, err := store.LoadMember(disk, found)
	if err != nil {
		return l, err
	}
	if _, err := store.Replay(&rec, found.Seat); err != nil {
		return l, err
	}
	return loaded{rec.State.Index(), found.Mark.Acked.Index, rec.State.Digest(), found.Damage}, nil
}

// damageAll damages each kind of file in each way, and counts what comes of it.
func (d *damagedDisk) damageAll(t *testing.T, counts map[string]*[outcomes]int, times int) {
	files := map[string][]string{}
	for _, name := range filesBelow(d.image, "/") {
		if kind := d.kind(name); kind != "" {
			files[kind] = append(files[kind], name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(files)) {
		for _, damage := range damageKinds {
			key := fmt.Sprintf("%-12s %-12s", kind, damage.name)
			if counts[key] == nil {
				counts[key] = &[outcomes]int{}
			}
			for range times {
				d.fs = copyOf(d.image)
				name := files[kind][d.random.IntN(len(files[kind]))]
				before := contentsOf(d.fs, name)
				done := damage.do(d, name)
				after, err := d.fs.UnsafeGetFileDataBuffer(name)
				if !done || err == nil && bytes.Equal(before, after) {
					continue
				}
				what, err := d.outcome(damage.name != "flipped bit")
				counts[key][what]++
				if what == damageWrong {
					t.Errorf("%s of %s: %v; seed %d", damage.name, name, err, d.p.seed)
				}
			}
		}
	}
}

// kind is what the table calls a file; those that a server does not read have none.
func (d *damagedDisk) kind(name string) string {
	base := slash.Base(name)
	switch {
	case strings.HasPrefix(base, "spare-"), base == "LOCK":
		return ""
	case strings.HasPrefix(base, "OPTIONS-"):
		return "options"
	case strings.HasPrefix(base, "marker."):
		return "marker"
	case base == "disk":
		return "disk id"
	case strings.HasSuffix(base, ".log"):
		return "pebble's log" // of which it writes the first record, and nothing else
	}
	return fileKind(name)
}

// outcome starts on the damaged copy and judges. What was taken away without a trace may hide.
func (d *damagedDisk) outcome(mayHide bool) (what int, err error) {
	defer func() {
		if r := recover(); r != nil {
			what, err = damageWrong, fmt.Errorf("panic: %v", r)
		}
	}()
	var whole *vfs.MemFS
	if d.random.IntN(16) == 0 {
		whole = copyOf(d.fs)
	}
	found, err := d.open(d.fs)
	if whole != nil {
		if served := d.serves(whole); served != nil && err == nil || served == nil && err != nil {
			return damageWrong, fmt.Errorf("a server: %w; its store: %w", served, err)
		}
	}
	if err != nil {
		if !strings.Contains(err.Error(), "/data") && !strings.Contains(err.Error(), d.run.logDir) {
			return damageWrong, fmt.Errorf("refused, and names no file: %w", err)
		}
		return damageRefused, err
	}
	want, err := d.want(found.index)
	switch {
	case err != nil:
		return damageWrong, err
	case found.digest != want:
		return damageWrong, fmt.Errorf("at index %d the digest is %x, want %x", found.index,
			found.digest, want)
	case found.index == d.index:
		return damageWhole, nil
	case found.index >= d.acked && len(found.damage) > 0:
		return damageDropped, nil
	case found.index >= d.acked && mayHide:
		return damageUnseen, nil
	}
	return damageWrong, fmt.Errorf("entries above %d are lost of %d, the mark knew %d; said to "+
		"be damaged: %v", found.index, d.index, d.acked, found.damage)
}

// serves says whether a whole server starts, serves and ends.
func (d *damagedDisk) serves(fs *vfs.MemFS) error {
	l, err := begin(d.run.options(fs))
	if err != nil {
		return err
	}
	return l.end()
}

func filesBelow(fs *vfs.MemFS, dir string) (files []string) {
	names, _ := fs.List(dir)
	slices.Sort(names)
	for _, name := range names {
		name = slash.Join(dir, name)
		if info, err := fs.Stat(name); err == nil && info.IsDir() {
			files = append(files, filesBelow(fs, name)...)
		} else {
			files = append(files, name)
		}
	}
	return files
}

func contentsOf(fs *vfs.MemFS, name string) []byte {
	b, err := fs.UnsafeGetFileDataBuffer(name)
	if err != nil {
		return nil
	}
	return bytes.Clone(b)
}

// put writes a file anew.
func (d *damagedDisk) put(name string, b []byte) bool {
	f, err := d.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(bytes.Clone(b))
		err = errors.Join(err, f.Close())
	}
	return err == nil
}

// place draws an offset in what of a file means something.
func (d *damagedDisk) place(name string, b []byte) int {
	if fileKind(name) == "mark" {
		return d.random.IntN(2)*4096 + d.random.IntN(56)
	}
	used := len(bytes.TrimRight(b, "\x00"))
	return d.random.IntN(max(1, used))
}

func (d *damagedDisk) remove(name string) bool {
	dir, err := d.fs.OpenDir(slash.Dir(name))
	return err == nil && errors.Join(d.fs.Remove(name), dir.Sync(), dir.Close()) == nil
}

func (d *damagedDisk) flipBit(name string) bool {
	b := contentsOf(d.fs, name)
	if len(b) == 0 {
		return false
	}
	b[d.place(name, b)] ^= 1 << d.random.IntN(8)
	return d.put(name, b)
}

func (d *damagedDisk) zero(name string, size int) bool {
	b := contentsOf(d.fs, name)
	at := d.place(name, b) / size * size
	clear(b[min(at, len(b)):min(at+size, len(b))])
	return d.put(name, b)
}

func (d *damagedDisk) truncate(name string) bool {
	b := contentsOf(d.fs, name)
	return d.put(name, b[:min(d.place(name, b), len(b))])
}

// before draws what the disk may have held once in the place of a file: the file itself, or
// another one of its kind.
func (d *damagedDisk) before(name string) []byte {
	old := d.older[d.random.IntN(len(d.older))]
	if b := contentsOf(old, name); b != nil && d.random.IntN(2) == 0 {
		return b
	}
	var others []string
	for _, other := range filesBelow(old, "/") {
		if fileKind(other) == fileKind(name) {
			others = append(others, other)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return contentsOf(old, others[d.random.IntN(len(others))])
}

// stale puts an older version of a block back.
func (d *damagedDisk) stale(name string, size int) bool {
	b, old := contentsOf(d.fs, name), d.before(name)
	at := d.place(name, b) / size * size
	if at >= len(b) {
		return false
	}
	block := b[at:min(at+size, len(b))]
	clear(block)
	if at < len(old) {
		copy(block, old[at:])
	}
	return d.put(name, b)
}

// staleFile puts an older version of a whole file back.
func (d *damagedDisk) staleFile(name string) bool {
	for range 8 {
		old := d.older[d.random.IntN(len(d.older))]
		if b := contentsOf(old, name); b != nil && !bytes.Equal(b, contentsOf(d.fs, name)) {
			return d.put(name, b)
		}
	}
	return false
}
