package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unitFile returns the lines of the systemd unit that are settings.
func unitFile(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/systemd/vivarium.service")
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && key[0] != '#' {
			settings[key] = value
		}
	}
	return settings
}

// TestUnitStarts holds the unit against the program: what it starts is what there is.
func TestUnitStarts(t *testing.T) {
	unit := unitFile(t)
	words := strings.Fields(unit["ExecStart"])
	if len(words) == 0 || filepath.Base(words[0]) != "vivarium" {
		t.Fatalf("ExecStart=%q: want vivarium", unit["ExecStart"])
	}
	for i, word := range words {
		if word == "/etc/vivarium/zoo.cfg" {
			words[i] = "../../deploy/systemd/zoo.cfg"
		}
	}
	root := newRoot()
	var out, talk strings.Builder
	root.SetOut(&out)
	root.SetErr(&talk)
	root.SetArgs(append(words[1:], "--check"))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%v: %v\n%s", words, err, talk.String())
	}
	if !strings.Contains(out.String(), "configuration is valid") {
		t.Errorf("%v --check says %q", words, out.String())
	}
	if unit["Type"] != "notify" {
		t.Errorf("Type=%q, want notify", unit["Type"])
	}
	if unit["RestartPreventExitStatus"] != fmt.Sprint(exitUsage) {
		t.Errorf("RestartPreventExitStatus=%q, want the code of a wrong configuration, %d",
			unit["RestartPreventExitStatus"], exitUsage)
	}
	text, err := os.ReadFile("../../deploy/systemd/zoo.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if dir := "dataDir=/var/lib/" + unit["StateDirectory"]; !strings.Contains(string(text), dir) {
		t.Errorf("zoo.cfg has no line %s, and the unit may write nowhere else", dir)
	}
}

// TestUnitRestartsWhatHangs: the end by the watchdog's SIGABRT must not look like a configuration
// that is refused, after which systemd leaves the service alone.
func TestUnitRestartsWhatHangs(t *testing.T) {
	unit := unitFile(t)
	config := "dataDir=data\nclientPort=0\nclientPortAddress=127.0.0.1\n"
	cmd := exec.Command("sh", "-c", "ulimit -c "+unit["LimitCORE"]+" && "+
		"exec vivarium serve --config zoo.cfg")
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), unit["Environment"])
	if err := os.WriteFile(cmd.Dir+"/zoo.cfg", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	startServing(t, cmd)
	if err := cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	end, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !end.Signaled() || end.Signal() != syscall.SIGABRT {
		t.Errorf("SIGABRT: %v, and RestartPreventExitStatus=%s; want an end by the signal",
			cmd.ProcessState, unit["RestartPreventExitStatus"])
	}
}

// TestUnitBySystemd lets systemd judge the unit: the syntax, and how much it leaves exposed, of
// 100.
func TestUnitBySystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze to judge the unit")
	}
	text, err := os.ReadFile("../../deploy/systemd/vivarium.service")
	if err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("vivarium")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "vivarium.service")
	here := strings.Replace(string(text), "/usr/local/bin/vivarium", program, 1)
	if err := os.WriteFile(file, []byte(here), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", file},
		{"security", "--no-pager", "--offline=true", "--threshold=15", file}} {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
		}
		if args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %v says:\n%s", args, out)
		}
	}
}

// TestUnitAllowsSystemCalls runs a server with a tool that lists its system calls, and looks
// whether the unit allows every one.
func TestUnitAllowsSystemCalls(t *testing.T) {
	for _, tool := range []string{"strace", "systemd-analyze"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s to look at the system calls with", tool)
		}
	}
	allowed := map[string]bool{}
	filters := strings.Fields("@system-service !@privileged !@resources")
	if got := unitFilters(t); strings.Join(got, " ") != strings.Join(filters, " ") {
		t.Fatalf("the unit's filters are %v, the test knows %v", got, filters)
	}
	for _, filter := range filters {
		set, deny := strings.CutPrefix(filter, "!")
		for _, call := range systemCalls(t, set) {
			allowed[call] = !deny
		}
	}
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := exec.Command("strace", "-f", "-qq", "-o", trace, "vivarium", "serve",
		"--config", "zoo.cfg")
	cmd.Dir = dir
	config := "dataDir=data\nclientPort=0\nclientPortAddress=127.0.0.1\n"
	if err := os.WriteFile(filepath.Join(dir, "zoo.cfg"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := startServing(t, cmd)
	root := newRoot()
	root.SetArgs([]string{"bench", "mixed", "-s", addr, "-c", "3", "-n", "50", "-d", "300ms",
		"--warmup", "1ms"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var saved snapshotSummary
	tool(t, &saved, "snapshot", "save", "--data-dir", dir+"/data", dir+"/backup.viv")
	stopServing(t, cmd, dir+"/data")
	used := map[string]bool{}
	file, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		if call, _, ok := strings.Cut(fields[1], "("); ok {
			used[call] = true
		}
	}
	if !used["fdatasync"] || !used["accept4"] {
		t.Errorf("the trace has too little: %v", used)
	}
	for call := range used {
		if !allowed[call] {
			t.Errorf("the server calls %s, which the unit does not allow", call)
		}
	}
}

// unitFilters are those of the unit, denied ones with "!".
func unitFilters(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/systemd/vivarium.service")
	if err != nil {
		t.Fatal(err)
	}
	var filters []string
	for line := range strings.Lines(string(text)) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "SystemCallFilter=")
		if !ok {
			continue
		}
		sets, deny := strings.CutPrefix(value, "~")
		for _, set := range strings.Fields(sets) {
			if deny {
				set = "!" + set
			}
			filters = append(filters, set)
		}
	}
	return filters
}

// systemCalls lists the calls of a set and of those in it.
func systemCalls(t *testing.T, set string) []string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "--no-pager", "syscall-filter", set).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", set, err)
	}
	var calls []string
	for line := range strings.Lines(string(out)) {
		switch call := strings.TrimSpace(line); {
		case call == set, call == "", call[0] == '#':
		case call[0] == '@':
			calls = append(calls, systemCalls(t, call)...)
		default:
			calls = append(calls, call)
		}
	}
	return calls
}

// startServing starts a server as a process of its own and returns its address.
func startServing(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { late.Stop(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var said strings.Builder
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if addr, ok := field(lines.Text(), "msg=serving", "address="); ok {
			go func() { // what it says later is read, so that it can go on
				for lines.Scan() {
				}
			}()
			return addr
		}
	}
	t.Fatalf("%v does not serve:\n%s", cmd.Args, said.String())
	return ""
}

// stopServing stops the server that uses a data directory, and sees it end well.
func stopServing(t *testing.T, cmd *exec.Cmd, data string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "vivarium.lock"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %v", cmd.Args, err)
	}
}
