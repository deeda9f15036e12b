package zkcli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMask names what differs from run to run, and leaves what does not.
func TestMask(t *testing.T) {
	m := &masker{
		began:   time.Date(2026, 1, 2, 3, 4, 5, 900, time.UTC),
		ended:   time.Date(2026, 1, 2, 3, 4, 7, 0, time.UTC),
		replace: strings.NewReplacer("127.0.0.1:4711", "<server>"),
	}
	tests := []struct{ line, want string }{
		{"| Connecting to 127.0.0.1:4711/x", "| Connecting to <server>/x"},
		{"| cZxid = 0x0", "| cZxid = 0x0"},
		{"| mZxid = 0x1f", "| mZxid = <zxid 2>"},
		{"| pZxid = 0x20", "| pZxid = <zxid 3>"},
		{"| dataLength = 31", "| dataLength = 31"},
		{"! WatchedEvent state:SyncConnected type:NodeDeleted path:/x zxid: 31",
			"! WatchedEvent state:SyncConnected type:NodeDeleted path:/x zxid: <zxid 2>"},
		{"! WatchedEvent state:Closed type:None path:null zxid: -1",
			"! WatchedEvent state:Closed type:None path:null zxid: -1"},
		{"| cZxid = 0x2", "| cZxid = <zxid 1>"},
		{"| ctime = Thu Jan 01 00:00:00 UTC 1970", "| ctime = Thu Jan 01 00:00:00 UTC 1970"},
		{"| ctime = Fri Jan 02 03:04:04 UTC 2026", "| ctime = Fri Jan 02 03:04:04 UTC 2026"},
		{"| ctime = Fri Jan 02 03:04:05 UTC 2026", "| ctime = <time>"},
		{"| mtime = Fri Jan 02 03:04:07 UTC 2026", "| mtime = <time>"},
		{"| mtime = Fri Jan 02 03:04:08 UTC 2026", "| mtime = Fri Jan 02 03:04:08 UTC 2026"},
		{"| mtime = soon", "| mtime = soon"},
		{"| ephemeralOwner = 0x0", "| ephemeralOwner = 0x0"},
		{"| ephemeralOwner = 0xff00000000000001", "| ephemeralOwner = <session 1>"},
		{"| ephemeralOwner = 0x10000", "| ephemeralOwner = <session 2>"},
		{"| ephemeralOwner = 0xff00000000000001", "| ephemeralOwner = <session 1>"},
	}
	var lines, want []string
	for _, tt := range tests {
		lines, want = append(lines, tt.line), append(want, tt.want)
	}
	if diff := cmp.Diff([][]string{want}, m.mask([][]string{lines})); diff != "" {
		t.Errorf("mask: (-want +got)\n%s", diff)
	}
}
