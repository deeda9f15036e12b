package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
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
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(text)) {
		// "0::/path" in version 2, "9:memory:/path" in version 1.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[0] == "0" && fields[1] == "":
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// A bound of a group above holds too. Within a container the path is often that of
		// the host, and only the last of these, the mount itself, is there.
		for dir := filepath.Clean("/" + fields[2]); ; dir = filepath.Dir(dir) {
			if n := boundIn(filepath.Join(root, mount, dir, file)); n > 0 {
				if least == 0 || n < least {
					least = n
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// boundIn reads a bound; 0 is none. Version 1 says none by a number near the largest.
func boundIn(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n > 1<<60 {
		return 0
	}
	return n
}
