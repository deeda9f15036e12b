package config

import (
	"os"
	"strings"
	"testing"
)

// TestTableIsWhole wants every key that ZooKeeper 3.9 knows, by testdata/names.txt, in the table,
// and every row to be complete.
func TestTableIsWhole(t *testing.T) {
	text, err := os.ReadFile("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	ix := newIndex()
	for _, line := range strings.Split(string(text), "\n") {
		name := strings.TrimSpace(line)
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		k := ix.inFile(name)
		if k == nil {
			t.Errorf("%s is not in the table", name)
			continue
		}
		if strings.HasPrefix(name, "metricsProvider.") && k.Name != name {
			t.Errorf("%s has no row of its own", name)
		}
	}
	seen := map[string]bool{}
	for _, k := range ix.keys {
		if seen[k.Name] {
			t.Errorf("%s stands twice in the table", k.Name)
		}
		seen[k.Name] = true
		checkRow(t, k)
	}
}

func checkRow(t *testing.T, k *Key) {
	t.Helper()
	if k.Meaning == "" || !strings.HasSuffix(k.Meaning, ".") {
		t.Errorf("%s: the meaning %q is no sentence", k.Name, k.Meaning)
	}
	if k.Default == "" {
		t.Errorf("%s has no default", k.Name)
	}
	if (k.Status == Works) != (k.Why == "") {
		t.Errorf("%s is %v with the reason %q", k.Name, k.Status, k.Why)
	}
	if (k.Status == Refused) != (k.Remedy != "") {
		t.Errorf("%s is %v with the way out %q", k.Name, k.Status, k.Remedy)
	}
	if (k.Kind == KindEnum) != (len(k.Enum) > 0) {
		t.Errorf("%s is of kind %v with values %q", k.Name, k.Kind, k.Enum)
	}
	for _, fine := range k.Fine {
		if _, err := parseValue(k, fine); err != nil {
			t.Errorf("%s: the value %q, said to be fine, is not allowed: %v", k.Name, fine, err)
		}
	}
}

func TestNearest(t *testing.T) {
	ix := newIndex()
	tests := []struct{ name, want string }{
		{"datadir", "dataDir"},
		{"tickTme", "tickTime"},
		{"maxClientConns", "maxClientCnxns"},
		{"autopurge.purgeIntervall", "autopurge.purgeInterval"},
		{"4lw.command.whitelist", "4lw.commands.whitelist"},
		{"clientPrto", "clientPort"},
		{"somethingElseEntirely", ""},
		{strings.Repeat("a", 5000), ""},
	}
	for _, test := range tests {
		if got := nearest(test.name, ix.fileNames()); got != test.want {
			t.Errorf("nearest(%.40q) = %q, want %q", test.name, got, test.want)
		}
	}
}

// TestDistance compares with the plain recursive definition.
func TestDistance(t *testing.T) {
	words := []string{"", "a", "ab", "ba", "abc", "acb", "cab", "abcd", "badc", "tick", "tikc"}
	for _, a := range words {
		for _, b := range words {
			if got, want := distance(a, b, 100), plainDistance(a, b); got != want {
				t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func plainDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	change := plainDistance(a[1:], b[1:])
	if a[0] != b[0] {
		change++
	}
	best := min(change, 1+plainDistance(a[1:], b), 1+plainDistance(a, b[1:]))
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		best = min(best, 1+plainDistance(a[2:], b[2:]))
	}
	return best
}
