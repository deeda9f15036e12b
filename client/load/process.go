package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what processes have used so far.
type usage struct {
	cpu           time.Duration
	residentBytes int64
}

// clockTick is the unit of the kernel's times: USER_HZ is 100 on all of Linux.
const clockTick = 10 * time.Millisecond

// usageOf adds up what the processes have used, from the proc file system.
func usageOf(pids []int) (usage, error) {
	var sum usage
	for _, pid := range pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return usage{}, fmt.Errorf("read the CPU of process %d: %w", pid, err)
		}
		resident, err := residentOf(pid)
		if err != nil {
			return usage{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
		}
		sum.cpu += cpu
		sum.residentBytes += resident
	}
	return sum, nil
}

// cpuOf is the time in user and kernel mode of all threads. The second field of stat, a name in
// brackets, may hold anything.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, system = 11, 12 // counted from the third field of stat
	if len(fields) <= system {
		return 0, fmt.Errorf("stat has %d fields", len(fields))
	}
	var ticks int64
	for _, f := range fields[user : system+1] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

func residentOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm has %d fields", len(fields))
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
