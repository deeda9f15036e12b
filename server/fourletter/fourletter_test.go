package fourletter

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, word := range Words() {
		first := string(word)
		if word == TelnetClose {
			first = "\xff\xf4\xff\xfd"
		}
		if got, ok := Parse([]byte(first + "more")); got != word || !ok {
			t.Errorf("Parse(%q) = %q, %t", first, got, ok)
		}
	}
	for _, first := range []string{"", "ruo", "RUOK", "xxxx", "teln", "\x00\x00\x00\x2d"} {
		if got, ok := Parse([]byte(first)); ok {
			t.Errorf("Parse(%q) = %q, true", first, got)
		}
	}
}

func TestWhitelist(t *testing.T) {
	tests := []struct {
		list []string
		want string
	}{
		{nil, "srvr"},
		{[]string{"ruok", " mntr "}, "mntr ruok srvr"},
		{[]string{"stat", "*"}, "all"},
		{[]string{"isro", "nope", ""}, "isro srvr"},
	}
	for _, test := range tests {
		w := NewWhitelist(test.list)
		var got []string
		for _, word := range Words() {
			if w.Allows(word) {
				got = append(got, string(word))
			}
		}
		text := strings.Join(got, " ")
		if len(got) == len(Words()) {
			text = "all"
		}
		if text != test.want {
			t.Errorf("NewWhitelist(%q) allows %s, want %s", test.list, text, test.want)
		}
	}
	if (Whitelist{}).Allows(Ruok) || !(Whitelist{}).Allows(Srvr) {
		t.Error("the zero Whitelist does not allow srvr alone")
	}
	const refusal = "wchp is not executed because it is not in the whitelist.\n"
	if got := Wchp.Refusal(); got != refusal {
		t.Errorf("Refusal() = %q, want %q", got, refusal)
	}
}

func TestNotServing(t *testing.T) {
	const text = "This ZooKeeper instance is not currently serving requests"
	want := map[Word]string{Ruok: "", Envi: "", Gtmk: "", Stmk: "", TelnetClose: "",
		Isro: "null", Hash: text}
	for _, word := range Words() {
		got := ""
		if word.NeedsService() {
			got = word.NotServing()
		}
		expected, special := want[word]
		if !special {
			expected = text + "\n"
		}
		if got != expected {
			t.Errorf("%s of a server that does not serve: %q, want %q", word, got, expected)
		}
	}
}

// TestMntrNames wants every name, and in the same order, that a real server prints.
func TestMntrNames(t *testing.T) {
	text, err := os.ReadFile("testdata/real/idle.mntr")
	if err != nil {
		t.Fatal(err)
	}
	names := func(text string) (names []string) {
		for _, line := range strings.Split(text, "\n") {
			name, _, _ := strings.Cut(line, "\t")
			names = append(names, name)
		}
		return names
	}
	got := names(string(AppendMntr(nil, &Metrics{})))
	if diff := cmp.Diff(names(string(text)), got); diff != "" {
		t.Errorf("names of mntr: -ZooKeeper +ours\n%s", diff)
	}
}

// TestMntrOwn wants names that ZooKeeper does not have to be printed as well.
func TestMntrOwn(t *testing.T) {
	m := &Metrics{
		Numbers:     map[string]int64{"zz_own": 7, "aa_own": 8},
		Floats:      map[string]float64{"share": 0.5},
		Summaries:   map[string]Summary{"own_ms": {Min: 1, Max: 2, Count: 2, Sum: 3, P999: 2}},
		SummarySets: map[string]map[string]Summary{"ack_latency": {"2": {}, "1": {}}},
	}
	text := string(AppendMntr(nil, m))
	for _, want := range []string{
		"zk_aa_own\t8\nzk_zz_own\t7\nzk_share\t0.5\n",
		"zk_avg_own_ms\t1.5\nzk_min_own_ms\t1\nzk_max_own_ms\t2\nzk_cnt_own_ms\t2\n" +
			"zk_sum_own_ms\t3\nzk_p50_own_ms\t0\nzk_p95_own_ms\t0\nzk_p99_own_ms\t0\n" +
			"zk_p999_own_ms\t2\n",
		"zk_avg_1_ack_latency\t0.0\n", "zk_p999_2_ack_latency\t0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("mntr lacks %q", want)
		}
	}
	for name, want := range map[string]bool{"uptime": true, "fsynctime": true, "ack_latency": true,
		"avg_latency": true, "zz_own": false} {
		if Known(name) != want {
			t.Errorf("Known(%q) = %t, want %t", name, !want, want)
		}
	}
}

func TestDouble(t *testing.T) {
	tests := []struct {
		number float64
		want   string
	}{
		{0, "0.0"}, {1, "1.0"}, {1.2179, "1.2179"}, {-2.5, "-2.5"}, {100, "100.0"},
		{0.001, "0.001"}, {0.0001, "1.0E-4"}, {1.25e-4, "1.25E-4"},
		{9999999, "9999999.0"}, {1e7, "1.0E7"}, {12345678.5, "1.23456785E7"},
	}
	for _, test := range tests {
		if got := string(appendDouble(nil, test.number)); got != test.want {
			t.Errorf("appendDouble(%v) = %s, want %s", test.number, got, test.want)
		}
	}
}

func TestAvg(t *testing.T) {
	tests := []struct {
		sum, count int64
		want       float64
	}{
		{0, 0, 0}, {5, 0, 0}, {7, 7, 1}, {1, 3, 0.3333}, {2, 3, 0.6667},
		{1, 32, 0.0313}, // 0.03125 is exact and rounds up, not to even
		{190, 156, 1.2179},
	}
	for _, test := range tests {
		if got := (Summary{Sum: test.sum, Count: test.count}).Avg(); got != test.want {
			t.Errorf("mean of %d in %d = %v, want %v", test.sum, test.count, got, test.want)
		}
	}
}

func TestRemote(t *testing.T) {
	tests := []struct{ address, want string }{
		{"127.0.0.1:2181", "/127.0.0.1:2181"},
		{"[::ffff:10.0.0.1]:5", "/10.0.0.1:5"},
		{"[::1]:40488", "/[0:0:0:0:0:0:0:1]:40488"},
		{"[2001:db8::ff00:42]:1", "/[2001:db8:0:0:0:0:ff00:42]:1"},
		{"[fe80::1%eth0]:1", "/[fe80:0:0:0:0:0:0:1%eth0]:1"},
	}
	for _, test := range tests {
		got := string(appendRemote(nil, netip.MustParseAddrPort(test.address)))
		if got != test.want {
			t.Errorf("appendRemote(%s) = %s, want %s", test.address, got, test.want)
		}
	}
}

// TestVersion wants what a client's regular expression takes (go-zookeeper's FLWSrvr).
func TestVersion(t *testing.T) {
	built := time.Date(2025, 8, 19, 21, 53, 0, 0, time.FixedZone("CEST", 7200))
	got := Version("3.9.4", "7246445ec281f3dbf53dc54e970c914f39713903", built)
	const want = "3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 19:53 UTC"
	if got != want {
		t.Errorf("Version = %s, want %s", got, want)
	}
}

func TestTraceMaskNeedsEightBytes(t *testing.T) {
	if _, ok := ParseTraceMask(make([]byte, 7)); ok {
		t.Error("ParseTraceMask takes seven bytes")
	}
}

func TestReadOnlyAndLeader(t *testing.T) {
	s := &Stats{Version: "v", ReadOnly: true, Mode: "leader", Proposals: &Sizes{1, 2, 3}}
	const want = "Zookeeper version: v\nREAD-ONLY mode; serving only read-only clients\n" +
		"Latency min/avg/max: 0/0.0/0\nReceived: 0\nSent: 0\nConnections: 0\nOutstanding: 0\n" +
		"Zxid: 0x0\nMode: leader\nNode count: 0\nProposal sizes last/min/max: 1/2/3\n"
	if diff := cmp.Diff(want, string(AppendSrvr(nil, s))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := string(AppendIsro(nil, true)); got != "ro" {
		t.Errorf("isro in read-only mode = %q", got)
	}
}

func ExampleAppendSrvr() {
	stats := Stats{
		Version: Version("3.9.4", "0123abc", time.Date(2025, 8, 19, 19, 53, 0, 0, time.UTC)),
		Latency: Summary{Max: 5, Count: 4, Sum: 6}, Received: 10, Sent: 9, Connections: 1,
		Zxid: 0x100000002, Mode: "standalone", NodeCount: 5,
	}
	fmt.Print(string(AppendSrvr(nil, &stats)))
	// Output:
	// Zookeeper version: 3.9.4-0123abc, built on 2025-08-19 19:53 UTC
	// Latency min/avg/max: 0/1.5/5
	// Received: 10
	// Sent: 9
	// Connections: 1
	// Outstanding: 0
	// Zxid: 0x100000002
	// Mode: standalone
	// Node count: 5
}
