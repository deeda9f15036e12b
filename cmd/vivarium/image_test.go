package main

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestImageFlags(t *testing.T) {
	for _, test := range []struct{ server, all, disable, want string }{
		{"", "", "", ""},
		{"-Da=1", "", "", "-Da=1"},
		{"-Da=1", "-Da=2", "", "-Da=1 -Da=2"}, // the last one counts
		{"", "-Da=2", "true", "-Dzookeeper.datadir.autocreate=false  -Da=2"},
	} {
		env := map[string]string{"SERVER_JVMFLAGS": test.server, "JVMFLAGS": test.all,
			"ZOO_DATADIR_AUTOCREATE_DISABLE": test.disable}
		got := imageEnvironment(func(name string) string { return env[name] }).flags()
		if got != test.want {
			t.Errorf("flags(%v) = %q, want %q", env, got, test.want)
		}
	}
}

// TestImageHints says what to do about files that cannot be written.
func TestImageHints(t *testing.T) {
	env := imageEnvironment(func(string) string { return "" })
	for _, test := range []struct {
		err  error
		want string
	}{
		{syscall.EACCES, fmt.Sprintf(" (/conf must belong to user %d: chown it, or start the "+
			"container once as root)", os.Getuid())},
		{syscall.EROFS, " (mount something that can be written at /conf, or a file at " +
			"/conf/zoo.cfg)"},
		{syscall.ENOSPC, ""},
	} {
		err := &fs.PathError{Op: "open", Path: "/conf/zoo.cfg.part", Err: test.err}
		if got := env.hint(err, "/conf/zoo.cfg"); got != test.want {
			t.Errorf("hint(%v) = %q, want %q", err, got, test.want)
		}
	}
}
