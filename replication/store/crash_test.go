package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// TestMemoryCrashes crashes a memory disk before every effect of a random sequence of operations,
// with every fate of what was not synced.
func TestMemoryCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := crashMemoryEverywhere(drawOps(t, 25)); err != nil {
			t.Fatal(err)
		}
	})
}

func crashMemoryEverywhere(ops []op) error {
	for _, fate := range []Fate{Lost, Torn, Kept} {
		for effect := 0; ; effect++ {
			ended, err := crashMemory(ops, effect, fate)
			if err != nil {
				return fmt.Errorf("crash before effect %d, fate %d: %w", effect, fate, err)
			}
			if ended {
				break
			}
		}
	}
	return nil
}

// crashMemory runs ops up to the effect, crashes, and compares. It says whether ops ended before.
func crashMemory(ops []op, effect int, fate Fate) (ended bool, err error) {
	mem, o := NewMemory(), retaining(retainOf(ops))
	if _, err := mem.Open(o); err != nil {
		return false, err
	}
	var done, next model
	ended = true
run:
	for _, op := range ops {
		next = done.after(op)
		if op.restart {
			mem = mem.Restart()
			if _, err := mem.Open(o); err != nil {
				return false, err
			}
			done = next
			continue
		}
		for p := op.plan(mem); !p.Done(); effect-- {
			if effect == 0 {
				ended = false
				break run
			}
			if err := p.Do(); err != nil {
				return false, fmt.Errorf("%v: %v: %w", op, p.Next(), err)
			}
		}
		done = next
	}
	mem = mem.Crash(slices.Repeat([]Fate{fate}, len(mem.Pending()))...)
	rec, err := mem.Open(o)
	if err != nil {
		return ended, err
	}
	got, err := snapshotOf(mem, rec)
	if err == nil {
		err = checkOneOf(got, done, next)
	}
	if err == nil {
		err = checkRetention(got, o.RetainBytes, done, next)
	}
	return ended, err
}

// camera is a file system that takes a picture of what a crash leaves, before each effect.
type camera struct {
	vfs.FS
	mem   *vfs.MemFS
	mu    sync.Mutex
	tag   func() (done, begun int)
	shots []shot
	// Not more than these are taken.
	most int
}

// shot is what a crash may leave: only what was synced, or everything.
type shot struct {
	synced, all *vfs.MemFS
	done, begun int // operations
	before      string
}

func (c *camera) shoot(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tag == nil || len(c.shots) >= c.most {
		return
	}
	done, begun := c.tag()
	c.shots = append(c.shots, shot{synced: c.mem.CrashClone(vfs.CrashCloneCfg{}),
		all: fullClone(c.mem), done: done, begun: begun, before: fmt.Sprintf(format, args...)})
}

// fullClone copies all, synced or not.
func fullClone(fs *vfs.MemFS) *vfs.MemFS {
	rng := rand.New(rand.NewPCG(1, 1))
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
}

func (c *camera) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &cameraFile{File: f, camera: c, name: name}, nil
}

func (c *camera) Create(name string, k vfs.DiskWriteCategory) (vfs.File, error) {
	c.shoot("create %s", name)
	f, err := c.FS.Create(name, k)
	return c.wrap(name, f, err)
}

func (c *camera) OpenReadWrite(
	name string, k vfs.DiskWriteCategory, opts ...vfs.OpenOption,
) (vfs.File, error) {
	f, err := c.FS.OpenReadWrite(name, k, opts...)
	return c.wrap(name, f, err)
}

func (c *camera) OpenDir(name string) (vfs.File, error) {
	f, err := c.FS.OpenDir(name)
	return c.wrap(name, f, err)
}

func (c *camera) Rename(from, to string) error {
	c.shoot("rename %s to %s", from, to)
	return c.FS.Rename(from, to)
}

func (c *camera) Link(from, to string) error {
	c.shoot("link %s to %s", from, to)
	return c.FS.Link(from, to)
}

func (c *camera) Remove(name string) error {
	c.shoot("remove %s", name)
	return c.FS.Remove(name)
}

func (c *camera) MkdirAll(name string, mode os.FileMode) error {
	c.shoot("mkdir %s", name)
	return c.FS.MkdirAll(name, mode)
}

type cameraFile struct {
	vfs.File
	camera *camera
	name   string
}

func (f *cameraFile) Write(b []byte) (int, error) {
	f.camera.shoot("write %s", f.name)
	return f.File.Write(b)
}

func (f *cameraFile) WriteAt(b []byte, at int64) (int, error) {
	f.camera.shoot("write %s at %d", f.name, at)
	return f.File.WriteAt(b, at)
}

func (f *cameraFile) Sync() error {
	f.camera.shoot("sync %s", f.name)
	return f.File.Sync()
}

func (f *cameraFile) SyncData() error {
	f.camera.shoot("syncdata %s", f.name)
	return f.File.SyncData()
}

// TestStoreCrashes looks at what a crash before every effect on the file system leaves. One
// sequence looks at every fourth effect, all of them at all.
func TestStoreCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops := drawOps(t, 8)
		if err := crashStore(ops, rapid.IntRange(0, 3).Draw(t, "phase"), 4); err != nil {
			t.Fatal(err)
		}
	})
}

// crashStore looks at every period-th effect, from phase on.
func crashStore(ops []op, phase, period int) error {
	shots, models, err := film(ops)
	if err != nil {
		return err
	}
	for i, s := range shots {
		wanted := []model{models[s.done], models[min(s.begun, len(models)-1)]}
		before := "sync" // at the start all is
		if i > 0 {
			before = shots[i-1].before
		}
		if i%period != phase {
			continue
		}
		for name, image := range s.images(before) {
			if err := checkImage(image, retaining(retainOf(ops)), wanted); err != nil {
				return fmt.Errorf("%s image %d before %q: %w", name, i, s.before, err)
			}
		}
	}
	return nil
}

// film runs ops on a Store under the camera. The models are those after 0, 1, 2... of them.
func film(ops []op) ([]shot, []model, error) {
	mem := vfs.NewCrashableMem()
	cam := &camera{FS: mem, mem: mem, most: 400}
	models := []model{{}}
	begun := 0
	cam.tag = func() (int, int) { return len(models) - 1, begun }
	disk, _, err := Open(cam, testOptions())
	if err != nil {
		return nil, nil, err
	}
	for _, o := range ops {
		next := models[len(models)-1].after(o)
		cam.mu.Lock()
		begun++
		cam.mu.Unlock()
		if o.restart {
			if err := disk.release(); err != nil {
				return nil, nil, err
			}
			if disk, _, err = Open(cam, testOptions()); err != nil {
				return nil, nil, err
			}
		} else if err := o.run(disk); err != nil {
			return nil, nil, fmt.Errorf("%v: %w", o, err)
		}
		cam.mu.Lock()
		models = append(models, next)
		cam.mu.Unlock()
	}
	cam.shoot("the end")
	cam.mu.Lock()
	cam.tag = nil
	cam.mu.Unlock()
	return cam.shots, models, disk.Close()
}

// checkImage opens what a crash left and compares it with what may be there.
func checkImage(image *vfs.MemFS, o Options, wanted []model) error {
	disk, rec, err := Open(image, o)
	if err != nil {
		return err
	}
	got, err := snapshotOf(disk, rec)
	if err == nil {
		err = checkOneOf(got, wanted...)
	}
	if err == nil {
		err = checkRetention(got, o.RetainBytes, wanted[0], wanted[1])
	}
	return errors.Join(err, disk.Close())
}

// images returns what the crash may leave: the two extremes, and two with torn files of ours,
// where of every 64 bytes that differ only every second is there. What cannot differ from the
// shot before, given the effect between them, is left out.
func (s shot) images(after string) map[string]*vfs.MemFS {
	if strings.HasPrefix(after, "sync") {
		return map[string]*vfs.MemFS{"synced": s.synced}
	}
	images := map[string]*vfs.MemFS{"all": s.all}
	if !strings.Contains(after, logPrefix) && !strings.Contains(after, markFile) {
		return images
	}
	for odd := range 2 {
		torn := fullClone(s.synced)
		for _, dir := range []string{"/data/vivarium", "/log/vivarium"} {
			names, _ := s.synced.List(dir)
			slices.Sort(names)
			for _, name := range names {
				if strings.HasPrefix(name, logPrefix) || name == markFile {
					tear(torn, s.all, dir+"/"+name, odd)
				}
			}
		}
		images[fmt.Sprintf("torn %d", odd)] = torn
	}
	return images
}

// tear copies every second piece of a file from the image of all.
func tear(torn, all *vfs.MemFS, name string, odd int) {
	const piece = 64
	was, now := contents(torn, name), contents(all, name)
	for i := 0; i*piece < len(now); i++ {
		end := min((i+1)*piece, len(now))
		if i%2 == odd && (end > len(was) || !bytes.Equal(was[i*piece:end], now[i*piece:end])) {
			overwrite(torn, name, int64(i*piece), now[i*piece:end])
		}
	}
}

// overwrite writes into a file of a memory file system, where nothing fails.
func overwrite(fs *vfs.MemFS, name string, at int64, b []byte) {
	f, err := fs.OpenReadWrite(name, category)
	if err != nil {
		panic(err)
	}
	if _, err := f.WriteAt(b, at); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// contents reads a file; nil if it is not there.
func contents(fs vfs.FS, name string) []byte {
	b, _, err := readFile(fs, name)
	if err != nil {
		return nil
	}
	return b
}
