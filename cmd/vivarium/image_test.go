package main

import "testing"

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
