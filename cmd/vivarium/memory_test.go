package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryBound(t *testing.T) {
	const group, own = "proc/self/cgroup", "sys/fs/cgroup/a/b/memory.max"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no control groups", nil, 0},
		{"version 1", map[string]string{group: "12:memory:/a\n11:cpu:/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "800\n"}, 800},
		{"version 1, with its neighbours", map[string]string{group: "7:cpu,memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "900\n"}, 900},
		{"version 1, no bound", map[string]string{group: "12:memory:/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		{"no bound", map[string]string{group: "0::/a/b\n", own: "max\n"}, 0},
		{"own", map[string]string{group: "0::/a/b\n", own: "1000\n"}, 1000},
		{"above", map[string]string{group: "0::/a/b\n", own: "1000\n",
			"sys/fs/cgroup/a/memory.max": "500\n"}, 500},
		{"container", map[string]string{group: "0::/\n", "sys/fs/cgroup/memory.max": "700\n"}, 700},
		{"outside", map[string]string{group: "0::/../../b\n",
			"sys/fs/cgroup/memory.max": "700\n"}, 700},
		{"odd", map[string]string{group: "0::/\n", "sys/fs/cgroup/memory.max": "much\n"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range test.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := memoryBound(root); got != test.want {
				t.Errorf("memoryBound of %v = %d, want %d", test.files, got, test.want)
			}
		})
	}
}
