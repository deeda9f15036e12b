package zkcli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scripts reads all of testdata.
func scripts(t *testing.T) []*Script {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.zkcli"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var all []*Script
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(filepath.Base(path), string(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// TestFormat writes the committed scripts as they are.
func TestFormat(t *testing.T) {
	for _, s := range scripts(t) {
		text, err := os.ReadFile(filepath.Join("testdata", s.Name))
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, step := range s.Steps {
			got = append(got, step.Want)
		}
		if diff := cmp.Diff(string(text), s.Format(got)); diff != "" {
			t.Errorf("%s: (-file +formatted)\n%s", s.Name, diff)
		}
		if diff := s.Diff(got); diff != "" {
			t.Errorf("%s differs from itself: %s", s.Name, diff)
		}
	}
}

func TestParseFaults(t *testing.T) {
	tests := []struct{ text, fault string }{
		{"| printed\n", `s:1: "| printed" stands below no step`},
		{"a> ls /\n\n| [x]\n", `s:3: "| [x]" stands below no step`},
		{"[server]\n[stop] a\n", `s:2: "[stop] a" is no step`},
		{"[start]\n", `s:1: "[start]" is no step`},
		{"[start\n", `s:1: "[start" is no step`},
		{"ls /\n", `s:1: "ls /" is no step`},
		{"a b> ls /\n", `s:1: "a b> ls /" is no step`},
		{"> ls /\n", `s:1: "> ls /" is no step`},
	}
	for _, tt := range tests {
		if _, err := Parse("s", tt.text); err == nil || err.Error() != tt.fault {
			t.Errorf("Parse(%q): %v, want %s", tt.text, err, tt.fault)
		}
	}
}

// TestDiff names what differs: a line, a line too many, one too few.
func TestDiff(t *testing.T) {
	s, err := Parse("s", "a> get /x\n| 1\n| 2\n")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		got  []string
		last string
	}{
		{[]string{"| 1", "| 2"}, ""},
		{[]string{"| 1", "| 3"}, `s:1: a> get /x: want "| 2", got "| 3"`},
		{[]string{"| 1"}, `s:1: a> get /x: want "| 2", got "(nothing)"`},
		{[]string{"| 1", "| 2", "| 3"}, `s:1: a> get /x: want "(nothing)", got "| 3"`},
		{nil, `s:1: a> get /x: want "| 1", got "(nothing)"`},
	}
	for _, tt := range tests {
		lines := strings.Split(s.Diff([][]string{tt.got}), "\n")
		if last := lines[len(lines)-1]; last != tt.last {
			t.Errorf("Diff(%q) ends in %q, want %q", tt.got, last, tt.last)
		}
	}
}

// programFlags are those of the program itself. Its list of commands names only two of them.
var programFlags = []string{"-server", "-timeout", "-r", "-client-configuration",
	"-waitforconnection"}

// option finds what a command's usage offers: flags, the modes of a watch, and on or off.
var option = regexp.MustCompile(`(?:^|[\[|\s])(-[a-zA-Z]|-file|-members|-add|-remove)\b|` +
	`\b(PERSISTENT(?:_RECURSIVE)?|on|off)\b`)

// TestScriptsCoverTheProgram holds the scripts against the list of commands that the program
// prints: each command, and each of its options, is used by a step that got past its usage.
func TestScriptsCoverTheProgram(t *testing.T) {
	all := scripts(t)
	offered := map[string][]string{}
	var help []string
	for _, s := range all {
		for _, step := range s.Steps {
			if step.Text == "help" {
				help = step.Want
			}
		}
	}
	for _, line := range help {
		usage, ok := strings.CutPrefix(line, "| \t")
		if !ok {
			continue
		}
		command, rest, _ := strings.Cut(usage, " ")
		rest, remark, _ := strings.Cut(rest, " #")
		offered[command] = []string{}
		for _, found := range option.FindAllStringSubmatch(rest+" "+modes.FindString(remark), -1) {
			offered[command] = append(offered[command], found[1]+found[2])
		}
	}
	if len(offered) != 28 || len(offered["setquota"]) != 4 || len(offered["addWatch"]) != 3 ||
		len(offered["reconfig"]) != 6 || len(offered["printwatches"]) != 2 {
		t.Fatalf("read from the list of commands: %q", offered)
	}
	used := usedOptions(all)
	for command, options := range offered {
		for _, o := range append(options, "") {
			if !used[command][o] {
				t.Errorf("no script uses %s %s", command, o)
			}
		}
	}
	for _, flag := range programFlags {
		if !used["[program]"][flag] {
			t.Errorf("no script uses the program's %s", flag)
		}
	}
}

// modes finds the modes of a watch in the remark on them.
var modes = regexp.MustCompile(`\[.*\]`)

// usedOptions returns the words that steps give to each command, and to the program.
func usedOptions(all []*Script) map[string]map[string]bool {
	used := map[string]map[string]bool{"[program]": {}}
	for _, s := range all {
		for _, step := range s.Steps {
			words := strings.Fields(step.Text)
			switch step.Kind {
			case "start", "run":
				for _, word := range words {
					used["[program]"][word] = true
				}
				continue
			case "type":
			default:
				continue
			}
			command := words[0]
			if len(step.Want) > 0 && (strings.HasPrefix(step.Want[0], "| "+command+" ") ||
				strings.Contains(step.Want[0], "org.apache.commons.cli")) {
				continue // its usage, or that it has no such option
			}
			if used[command] == nil {
				used[command] = map[string]bool{}
			}
			used[command][""] = true
			for _, word := range words[1:] {
				used[command][word] = true
			}
		}
	}
	return used
}

// TestScriptsFail holds the scripts to the refusals that they are to show.
func TestScriptsFail(t *testing.T) {
	var printed []string
	for _, s := range scripts(t) {
		for _, step := range s.Steps {
			printed = append(printed, step.Want...)
		}
	}
	for _, want := range []string{"Node does not exist: ", "Node already exists: ",
		"Node not empty: ", "version No is not valid : ", "Insufficient permission : ",
		"Acl is not valid : ", "Ephemerals cannot have children: ", "Quota has exceeded : ",
		"KeeperErrorCode = Unimplemented", "KeeperErrorCode = Reconfig is disabled",
		"KeeperErrorCode = No such watcher", "Arguments are not valid : ", "Not connected",
		"ttl must be positive", "Command index out of range"} {
		if !slices.ContainsFunc(printed, func(line string) bool {
			return strings.HasPrefix(line, "| "+want)
		}) {
			t.Errorf("no script shows %q", want)
		}
	}
	for _, want := range []string{"None", "NodeCreated", "NodeDeleted", "NodeDataChanged",
		"NodeChildrenChanged", "DataWatchRemoved", "ChildWatchRemoved",
		"PersistentWatchRemoved"} {
		if !slices.ContainsFunc(printed, func(line string) bool {
			return strings.HasPrefix(line, "! ") && strings.Contains(line, " type:"+want+" ")
		}) {
			t.Errorf("no script shows the event %s", want)
		}
	}
}
