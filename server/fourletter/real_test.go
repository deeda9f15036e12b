package fourletter

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReal reads each answer of a real server into the plain values and wants the very same
// bytes back. The reading is by regular expressions of its own.
func TestReal(t *testing.T) {
	render := map[string]func(t *testing.T, text string) []byte{
		"srvr": func(t *testing.T, text string) []byte {
			return AppendSrvr(nil, readStats(t, text))
		},
		"stat": func(t *testing.T, text string) []byte {
			return AppendStat(nil, readStats(t, text), readConns(t, text))
		},
		"cons": func(t *testing.T, text string) []byte {
			return AppendCons(nil, readConns(t, text))
		},
		"conf": func(t *testing.T, text string) []byte {
			return AppendConf(nil, readConf(t, text))
		},
		"dump": func(t *testing.T, text string) []byte {
			return AppendDump(nil, readSessions(t, text))
		},
		"envi": func(t *testing.T, text string) []byte {
			return AppendEnvi(nil, readEnvironment(t, text))
		},
		"mntr": func(t *testing.T, text string) []byte {
			return AppendMntr(nil, readMetrics(t, text))
		},
		"wchs": func(t *testing.T, text string) []byte {
			n := numbers(t, text, `^(\d+) connections watching (\d+) paths\nTotal watches:(\d+)`)
			return AppendWchs(nil, WatchCounts{int(n[0]), int(n[1]), int(n[2])})
		},
		"wchc": func(t *testing.T, text string) []byte {
			return AppendWchc(nil, readOwners(t, text, `^0x([0-9a-f]+)$`))
		},
		"wchp": func(t *testing.T, text string) []byte {
			return AppendWchp(nil, readWatched(t, text))
		},
		"dirs": func(t *testing.T, text string) []byte {
			n := numbers(t, text, `^datadir_size: (\d+)\nlogdir_size: (\d+)\n$`)
			return AppendDirs(nil, n[0], n[1])
		},
		"hash": func(t *testing.T, text string) []byte {
			return AppendHash(nil, readDigests(t, text))
		},
		"isro": func(*testing.T, string) []byte { return AppendIsro(nil, false) },
		"ruok": func(*testing.T, string) []byte { return []byte(RuokAnswer) },
		"crst": func(*testing.T, string) []byte { return []byte(CrstAnswer) },
		"srst": func(*testing.T, string) []byte { return []byte(SrstAnswer) },
		"stmk": func(t *testing.T, _ string) []byte {
			mask, ok := ParseTraceMask([]byte{0, 0, 0, 0, 0, 0, 0, 18})
			if !ok {
				t.Error("ParseTraceMask does not take eight bytes")
			}
			return AppendTraceMask(nil, mask)
		},
		"gtmk-after-stmk": func(*testing.T, string) []byte { return AppendTraceMask(nil, 18) },
	}
	for _, file := range realFiles(t) {
		_, word, _ := strings.Cut(filepath.Base(file), ".")
		t.Run(filepath.Base(file), func(t *testing.T) {
			if word == "gtmk" {
				word = "gtmk-after-stmk"
				if strings.HasSuffix(file, "idle.gtmk") {
					checkSame(t, readFile(t, file), AppendTraceMask(nil, DefaultTraceMask))
					return
				}
			}
			text := readFile(t, file)
			if render[word] == nil {
				t.Fatalf("no test of the word %s", word)
			}
			checkSame(t, text, render[word](t, text))
		})
	}
}

func realFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/real/*.*")
	if err != nil || len(files) < 30 {
		t.Fatalf("testdata/real has %d files, %v", len(files), err)
	}
	var texts []string
	for _, file := range files {
		if filepath.Ext(file) != ".md" {
			texts = append(texts, file)
		}
	}
	return texts
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func checkSame(t *testing.T, want string, got []byte) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("-ZooKeeper +ours\n%s", diff)
	}
}

// numbers are the decimal groups of a match.
func numbers(t *testing.T, text, pattern string) []int64 {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("%q does not match %s", text, pattern)
	}
	var n []int64
	for _, group := range match[1:] {
		n = append(n, integer(t, group, 10))
	}
	return n
}

func integer(t *testing.T, text string, base int) int64 {
	t.Helper()
	if base == 16 {
		n, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int64(n)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var statsPattern = regexp.MustCompile(`(?s)^Zookeeper version: ([^\n]*)\n.*` +
	`Latency min/avg/max: (\d+)/([0-9.]+)/(\d+)\nReceived: (\d+)\nSent: (\d+)\n` +
	`Connections: (\d+)\nOutstanding: (\d+)\nZxid: 0x([0-9a-f]+)\nMode: (\w+)\n` +
	`Node count: (\d+)\n$`)

func readStats(t *testing.T, text string) *Stats {
	t.Helper()
	m := statsPattern.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("not an answer to srvr: %q", text)
	}
	received := integer(t, m[5], 10)
	return &Stats{
		Version: m[1], Received: received, Sent: integer(t, m[6], 10),
		Latency:     summaryOf(t, integer(t, m[2], 10), integer(t, m[4], 10), m[3], received),
		Connections: int(integer(t, m[7], 10)), Outstanding: integer(t, m[8], 10),
		Zxid: integer(t, m[9], 16), Mode: m[10], NodeCount: integer(t, m[11], 10),
	}
}

// summaryOf finds a sum and a count with the mean that was printed; there are about as many
// requests as packets.
func summaryOf(t *testing.T, low, high int64, mean string, about int64) Summary {
	t.Helper()
	want, err := strconv.ParseFloat(mean, 64)
	if err != nil {
		t.Fatal(err)
	}
	for count := int64(0); count <= about+10; count++ {
		s := Summary{Min: low, Max: high, Count: count, Sum: int64(want*float64(count) + 0.5)}
		if s.Avg() == want {
			return s
		}
	}
	t.Fatalf("no mean of up to %d numbers is %s", about+10, mean)
	return Summary{}
}

var connPattern = regexp.MustCompile(`(?m)^ /(\S+)\[(\w)\]\(queued=(\d+),recved=(\d+),sent=(\d+)` +
	`(?:,sid=0x([0-9a-f]+),lop=(\w+),est=(\d+),to=(\d+)(?:,lcxid=0x([0-9a-f]+))?` +
	`,lzxid=0x([0-9a-f]+),lresp=(\d+),llat=(\d+),minlat=(\d+),avglat=(\d+),maxlat=(\d+))?\)$`)

func readConns(t *testing.T, text string) []Conn {
	t.Helper()
	var conns []Conn
	for _, m := range connPattern.FindAllStringSubmatch(text, -1) {
		c := Conn{
			Remote: netip.MustParseAddrPort(m[1]), Interest: Interest(integer(t, m[2], 16)),
			Queued: integer(t, m[3], 10), Received: integer(t, m[4], 10),
			Sent: integer(t, m[5], 10), LastCxid: -1,
		}
		if m[6] != "" {
			c.SessionID, c.LastOp = integer(t, m[6], 16), m[7]
			c.Established = time.UnixMilli(integer(t, m[8], 10))
			c.TimeoutMs = integer(t, m[9], 10)
			if m[10] != "" {
				c.LastCxid = integer(t, m[10], 16)
			}
			c.LastZxid, c.LastResponseMs = integer(t, m[11], 16), integer(t, m[12], 10)
			c.LastLatency, c.MinLatency = integer(t, m[13], 10), integer(t, m[14], 10)
			c.AvgLatency, c.MaxLatency = integer(t, m[15], 10), integer(t, m[16], 10)
		}
		conns = append(conns, c)
	}
	return conns
}

func readConf(t *testing.T, text string) *Configuration {
	t.Helper()
	m := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		key, value, _ := strings.Cut(line, "=")
		m[key] = value
	}
	n := func(key string) int64 { return integer(t, m[key], 10) }
	return &Configuration{
		ClientPort: int(n("clientPort")), SecureClientPort: int(n("secureClientPort")),
		DataDir: m["dataDir"], DataDirSize: n("dataDirSize"),
		DataLogDir: m["dataLogDir"], DataLogSize: n("dataLogSize"),
		TickTimeMs: n("tickTime"), MaxClientConns: int(n("maxClientCnxns")),
		MinSessionTimeoutMs: n("minSessionTimeout"), MaxSessionTimeoutMs: n("maxSessionTimeout"),
		ListenBacklog: int(n("clientPortListenBacklog")), ServerID: n("serverId"),
	}
}

func readEnvironment(t *testing.T, text string) *Environment {
	t.Helper()
	m := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n")[1:] {
		key, value, _ := strings.Cut(line, "=")
		m[key] = value
	}
	mb := func(key string) int64 { return integer(t, strings.TrimSuffix(m[key], "MB"), 10) }
	return &Environment{
		Version: m["zookeeper.version"], HostName: m["host.name"], TempDir: m["java.io.tmpdir"],
		OSName: m["os.name"], OSArch: m["os.arch"], OSVersion: m["os.version"],
		UserName: m["user.name"], UserHome: m["user.home"], UserDir: m["user.dir"],
		MemoryFreeMB: mb("os.memory.free"), MemoryMaxMB: mb("os.memory.max"),
		MemoryTotalMB: mb("os.memory.total"),
		JavaVersion:   m["java.version"], JavaVendor: m["java.vendor"], JavaHome: m["java.home"],
		JavaClassPath: m["java.class.path"], JavaLibraryPath: m["java.library.path"],
	}
}

// readOwners reads sessions that match the pattern, each followed by lines with its paths.
func readOwners(t *testing.T, text, pattern string) []SessionPaths {
	t.Helper()
	owner := regexp.MustCompile(pattern)
	var owners []SessionPaths
	for _, line := range strings.Split(text, "\n") {
		if m := owner.FindStringSubmatch(line); m != nil {
			owners = append(owners, SessionPaths{SessionID: integer(t, m[1], 16)})
		} else if path, ok := strings.CutPrefix(line, "\t"); ok && len(owners) > 0 {
			last := &owners[len(owners)-1]
			last.Paths = append(last.Paths, path)
		}
	}
	return owners
}

func readWatched(t *testing.T, text string) []PathSessions {
	t.Helper()
	var paths []PathSessions
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n\n"), "\n") {
		if id, ok := strings.CutPrefix(line, "\t0x"); ok {
			last := &paths[len(paths)-1]
			last.Sessions = append(last.Sessions, integer(t, id, 16))
		} else if line != "" {
			paths = append(paths, PathSessions{Path: line})
		}
	}
	return paths
}

func readDigests(t *testing.T, text string) []Digest {
	t.Helper()
	var digests []Digest
	for _, m := range regexp.MustCompile(`([0-9a-f]+): (-?\d+)\n`).FindAllStringSubmatch(text, -1) {
		digests = append(digests, Digest{Zxid: integer(t, m[1], 16), Digest: integer(t, m[2], 10)})
	}
	return digests
}

var expiryPattern = regexp.MustCompile(`^\d+ expire at (.*):$`)

func readSessions(t *testing.T, text string) *Sessions {
	t.Helper()
	expiry, rest, _ := strings.Cut(text, "ephemeral nodes dump:\n")
	ephemerals, conns, _ := strings.Cut(rest, "Connections dump:\n")
	s := &Sessions{
		Total:       int(numbers(t, expiry, `Session Sets \(\d+\)/\((\d+)\):`)[0]),
		Connections: int(numbers(t, conns, `Connections Sets \(\d+\)/\((\d+)\):`)[0]),
		Ephemerals:  readOwners(t, ephemerals, `^0x([0-9a-f]+):$`),
	}
	at := func(line string) (time.Time, bool) {
		m := expiryPattern.FindStringSubmatch(line)
		if m == nil {
			return time.Time{}, false
		}
		when, err := time.Parse(time.UnixDate, m[1])
		if err != nil {
			t.Fatal(err)
		}
		return when, true
	}
	for _, line := range strings.Split(expiry, "\n") {
		if when, ok := at(line); ok {
			s.Expiry = append(s.Expiry, SessionsAt{At: when})
		} else if id, ok := strings.CutPrefix(line, "\t0x"); ok {
			last := &s.Expiry[len(s.Expiry)-1]
			last.IDs = append(last.IDs, integer(t, id, 16))
		}
	}
	name := regexp.MustCompile(`^\tip: /(\S+) sessionId: 0x([0-9a-f]+)$`)
	for _, line := range strings.Split(conns, "\n") {
		if when, ok := at(line); ok {
			s.Closing = append(s.Closing, ConnsAt{At: when})
		} else if m := name.FindStringSubmatch(line); m != nil {
			last := &s.Closing[len(s.Closing)-1]
			last.Conns = append(last.Conns,
				ConnName{Remote: netip.MustParseAddrPort(m[1]), SessionID: integer(t, m[2], 16)})
		}
	}
	return s
}

// readMetrics reads every line by its name; a name that it cannot place fails the test.
func readMetrics(t *testing.T, text string) *Metrics {
	t.Helper()
	m := &Metrics{
		Numbers: map[string]int64{}, Floats: map[string]float64{}, Summaries: map[string]Summary{},
		NumberSets: map[string]map[string]int64{}, SummarySets: map[string]map[string]Summary{},
	}
	values := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "zk_"), "\t")
		values[name] = value
	}
	m.Version, m.State = values["version"], values["server_state"]
	n := func(name string) int64 {
		if values[name] == "" {
			return 0
		}
		return integer(t, values[name], 10)
	}
	summary := func(name string) Summary {
		return Summary{Min: n("min_" + name), Max: n("max_" + name), Count: n("cnt_" + name),
			Sum: n("sum_" + name), P50: n("p50_" + name), P95: n("p95_" + name),
			P99: n("p99_" + name), P999: n("p999_" + name)}
	}
	for name := range values {
		base, isAverage := strings.CutPrefix(name, "avg_")
		switch {
		case floatGauges[name]:
			f, err := strconv.ParseFloat(values[name], 64)
			if err != nil {
				t.Fatal(err)
			}
			m.Floats[name] = f
		case isNumber[name]:
			m.Numbers[name] = n(name)
		case isAverage && isSummary[base]:
			m.Summaries[base] = summary(base)
		default:
			for set := range isSet {
				if key, ok := strings.CutSuffix(base, "_"+set); ok && isAverage {
					put(m.SummarySets, set, key, summary(base))
				} else if ok && strings.HasPrefix(set, "quota_") {
					put(m.NumberSets, set, key, n(name))
				}
			}
		}
	}
	return m
}

func put[V any](sets map[string]map[string]V, set, key string, value V) {
	if sets[set] == nil {
		sets[set] = map[string]V{}
	}
	sets[set][key] = value
}
