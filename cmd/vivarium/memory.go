package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory tells the runtime to collect harder before the container's bound on memory is
// reached, where there is one: who passes it is killed. GOMEMLIMIT has its way.
func limitMemory(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	bound := memoryBound("/")
	if bound == 0 {
		return
	}
	limit := bound / 10 * 9
	debug.SetMemoryLimit(limit)
	log.Info("memory", "container", bound, "limit", limit)
}

// memoryBound is what the control group of this process may use, in bytes; 0 is no bound, or
// none that is known. root is where the file system begins.
func memoryBound(root string) int64 {
	const group, bound = "proc/self/cgroup", "sys/fs/cgroup"
	text, err := os.ReadFile(filepath.Join(root, group))
	if err != nil {
		return 0
	}
	path, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "0::") // version 2, the only one
	if !ok {
		return 0
	}
	least := int64(0)
	for dir := filepath.Clean("/" + path); ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(root, bound, dir, "memory.max"))
		if err == nil {
			n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil && n > 0 && (least == 0 || n < least) {
				least = n
			}
		}
		if dir == "/" {
			return least
		}
	}
}
