package client

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParseServers: servers have a port, and a connect string put together of them is the same.
func FuzzParseServers(f *testing.F) {
	f.Add("a:1,b,[::1]:2/x/y")
	f.Add("fe80::1, ,[::1]/")
	f.Add(":2181")
	f.Fuzz(func(t *testing.T, connect string) {
		servers, chroot, err := ParseServers(connect)
		if err != nil {
			return
		}
		for _, s := range servers {
			if !strings.Contains(s, ":") || strings.HasSuffix(s, ":") || strings.Contains(s, "/") {
				t.Fatalf("ParseServers(%q) names %q", connect, s)
			}
		}
		again, below, err := ParseServers(strings.Join(servers, ",") + chroot)
		if d := cmp.Diff(servers, again); err != nil || d != "" || below != chroot {
			t.Fatalf("ParseServers(%q) = %q, %q, and then %q, %q, %v", connect, servers, chroot,
				again, below, err)
		}
	})
}
