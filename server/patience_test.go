package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSnapshotOfSilentServer: who asks a server that hangs is told so, before the snapshot has
// begun and in the midst of it.
func TestSnapshotOfSilentServer(t *testing.T) {
	dir := t.TempDir()
	for _, says := range []string{"", controlOK + "\nvivarium snap"} {
		path := filepath.Join(dir, controlSocket)
		var l net.Listener
		err := shortPath(path, func(path string) (err error) {
			l, err = net.Listen("unix", path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		held := make(chan net.Conn, 1)
		go func() {
			nc, err := l.Accept()
			if err == nil {
				fmt.Fprint(nc, says)
			}
			held <- nc
		}()
		begin := time.Millisecond
		if says != "" {
			begin = time.Minute
		}
		from, err := openSnapshot(dir, begin, time.Millisecond)
		if err == nil {
			_, err = io.ReadAll(from)
			from.Close()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a server that says %q and no more: %v, want a deadline", says, err)
		}
		if nc := <-held; nc != nil {
			nc.Close()
		}
		l.Close()
	}
}
