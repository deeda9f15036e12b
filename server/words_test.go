package server_test

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// TestWords asks each four-letter word of a server with two sessions. The forms are those of
// a real server; package fourletter compares them byte by byte.
func TestWords(t *testing.T) {
	s := start(t, server.Options{Config: &config.Config{DataDir: t.TempDir()},
		Version: server.Version{Commit: "abc123", Built: time.Unix(1e9, 0)}})
	a, b := connect(t, s.Addr()), connect(t, s.Addr())
	a.must(wire.OpCreate, creation("/a", []byte("x"), 0))
	a.must(wire.OpCreate, creation("/a/e", nil, wire.FlagEphemeral))
	b.must(wire.OpGetData, &wire.PathWatchRequest{Path: "/a", Watch: true})
	b.must(wire.OpGetChildren, &wire.PathWatchRequest{Path: "/a", Watch: true}) // not in wch*
	sidA, sidB := fmt.Sprintf("0x%x", a.session), fmt.Sprintf("0x%x", b.session)
	// A client may read its reply before who wrote it has said that it is written.
	for strings.Contains(word(t, s.Addr(), "cons"), "[5]") {
		runtime.Gosched()
	}
	// A connection counts until its client has noticed that it is closed.
	for _, test := range []struct{ word, want string }{
		{"ruok", `^imok$`},
		{"ruok\n", `^imok$`},
		{"conf", `(?m)^clientPort=[1-9]\d+\n(.*\n)*dataDirSize=[1-9]\d+\n(.*\n)*tickTime=3000$`},
		{"cons", `(?m)^ /127\.0\.0\.1:\d+\[1\]\(queued=0,recved=3,sent=3,sid=` + sidA +
			`,lop=CREA,est=\d{13},to=20000,lcxid=0x2,lzxid=0x\d+,lresp=\d+,llat=\d+,minlat=\d+,` +
			`avglat=\d+,maxlat=\d+\)$`},
		{"cons", `(?m)^ /127\.0\.0\.1:\d+\[0\]\(queued=0,recved=1,sent=0\)\n`},
		{"srvr", `^Zookeeper version: 3\.9\.4-abc123, built on 2001-09-09 01:46 UTC\n` +
			`Latency min/avg/max: \d+/[\d.]+/\d+\nReceived: \d+\nSent: \d+\nConnections: 3\n` +
			`Outstanding: 0\nZxid: 0x20000000[0-9a-f]+\nMode: standalone\nNode count: 7\n$`},
		{"stat", `(?m)^Clients:\n( /127\.0\.0\.1:\d+\[[01]\]\(queued=0,recved=\d+,sent=\d\)\n){3}` +
			`\nLatency min`},
		{"mntr", `(?m)^zk_znode_count\t7$(.*\n)*`},
		{"mntr", `(?m)^zk_ephemerals_count\t1$`},
		{"mntr", `(?m)^zk_watch_count\t2$`},
		{"mntr", `(?m)^zk_num_alive_connections\t3$`},
		{"mntr", `(?m)^zk_global_sessions\t2$`},
		{"mntr", `(?m)^zk_connection_request_count\t2$`},
		{"mntr", `(?m)^zk_cnt_updatelatency\t4$`}, // with those for the sessions
		{"mntr", `(?m)^zk_cnt_readlatency\t2$`},
		{"mntr", `(?m)^zk_cnt_fsynctime\t[1-9]\d*$`},
		{"dump", `(?m)^Session Sets \(1\)/\(2\):\n2 expire at .*:\n\t` + sidA + "\n\t" + sidB +
			"\n"},
		{"dump", `(?m)^Sessions with Ephemerals \(1\):\n` + sidA + ":\n\t/a/e\nConnections dump:"},
		{"wchs", `^1 connections watching 1 paths\nTotal watches:1\n$`},
		{"wchc", `^` + sidB + "\n\t/a\n\n$"},
		{"wchp", `^/a\n\t` + sidB + "\n\n$"},
		{"envi", `(?m)^Environment:\nzookeeper\.version=3\.9\.4-abc123.*\nhost\.name=.`},
		{"dirs", `^datadir_size: [1-9]\d+\nlogdir_size: [1-9]\d+\n$`},
		{"isro", `^rw$`},
		{"gtmk", `^306$`},
		{"stmk\x00\x00\x00\x00\x00\x00\x00\x07", `^7$`},
		{"gtmk", `^7$`},
		{"hash", `^$`},
		{"crst", `^Connection stats reset\.\n$`},
		{"cons", `(?m)sid=` + sidA + `,lop=NA,est=\d+,to=20000,lzxid=0xffffffffffffffff,lresp=0,`},
		{"srst", `^Server stats reset\.\n$`},
		{"srvr", `(?m)^Received: 1\nSent: 1$`},
		{"orst", `^$`},
		{"blah", `^$`},
		{"\xff\xf4\xff\xfd", `^$`},
		// What follows is read and forgotten, and the answer arrives all the same.
		{"ruok" + strings.Repeat("GET / HTTP/1.1\r\n", 10000), `^imok$`},
	} {
		if got := word(t, s.Addr(), test.word); !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%.20q was answered\n%s\nwant %s", test.word, got, test.want)
		}
	}
}

// TestResetIsOfAll: srst resets what mntr has counted, that of the disk and of refused connections
// as well; what is there now stays.
func TestResetIsOfAll(t *testing.T) {
	s := start(t, server.Options{Config: &config.Config{MaxConns: 2}})
	c, asking := connect(t, s.Addr()), dial(t, s.Addr())
	for range 50 {
		c.must(wire.OpCreate, creation("/a", nil, wire.FlagPersistentSequential))
	}
	dial(t, s.Addr()).gone()
	asking.nc.Close()
	if _, err := s.log.wait(closedFor("client closed the connection")); err != nil {
		t.Fatal(err) // there is no room for who asks
	}
	mntr := func(name string) int { return number(t, s, "mntr", "\nzk_"+name+"\t") }
	if n, m := mntr("cnt_fsynctime"), mntr("connection_rejected"); n < 50 || m != 1 {
		t.Errorf("before srst: %d syncs, %d connections refused", n, m)
	}
	word(t, s.Addr(), "srst")
	if n := mntr("cnt_fsynctime"); n >= 50 {
		t.Errorf("%d syncs after srst", n)
	}
	for name, want := range map[string]int{"connection_rejected": 0, "cnt_dbinittime": 0,
		"global_sessions": 1, "znode_count": 55} {
		if n := mntr(name); n != want {
			t.Errorf("%s is %d after srst, want %d", name, n, want)
		}
	}
}

func TestHashGrowsWithTheZxid(t *testing.T) {
	s := start(t, server.Options{})
	c := connect(t, s.Addr())
	for range 300 {
		c.must(wire.OpCreate, creation("/a", nil, wire.FlagPersistentSequential))
	}
	got := word(t, s.Addr(), "hash")
	if !regexp.MustCompile(`^200000080: \d+\n200000100: \d+\n$`).MatchString(got) {
		t.Errorf("hash after 300 writes:\n%s", got)
	}
}

func TestWhitelist(t *testing.T) {
	s := start(t, server.Options{Config: &config.Config{FourLetterWords: []string{"ruok", "isro"}}})
	for _, test := range []struct{ word, want string }{
		{"ruok", "imok"},
		{"isro", "rw"},
		{"cons", "cons is not executed because it is not in the whitelist.\n"},
		{"mntr", "mntr is not executed because it is not in the whitelist.\n"},
	} {
		if got := word(t, s.Addr(), test.word); got != test.want {
			t.Errorf("%q was answered %q, want %q", test.word, got, test.want)
		}
	}
	if got := word(t, s.Addr(), "srvr"); !strings.Contains(got, "Mode: standalone") {
		t.Errorf("srvr, which is always answered, gave %q", got)
	}
}

// TestWordInPieces: the bytes of a word may come one by one, and a client may end its side
// before it reads, as `echo ruok | nc` does.
func TestWordInPieces(t *testing.T) {
	s := start(t, server.Options{})
	c := dial(t, s.Addr())
	for _, b := range []byte("ruok") {
		c.nc.Write([]byte{b})
	}
	c.nc.(interface{ CloseWrite() error }).CloseWrite()
	if got, err := io.ReadAll(c.r); string(got) != "imok" || err != nil {
		t.Errorf("answered %q, %v", got, err)
	}
}

// TestTraceMaskLater: the mask may come later than stmk. While it is awaited the connection
// belongs to who answers the word, and nobody else serves it.
func TestTraceMaskLater(t *testing.T) {
	s := start(t, server.Options{})
	for mask := range byte(20) {
		c := dial(t, s.Addr())
		for _, piece := range []string{"stmk", "\x00\x00\x00\x00\x00", "\x00\x00" + string(mask)} {
			c.nc.Write([]byte(piece))
			word(t, s.Addr(), "ruok") // by then the piece has most often been read
		}
		if got, err := io.ReadAll(c.r); string(got) != fmt.Sprint(mask) || err != nil {
			t.Errorf("answered %q, %v, want the mask that was set, %d", got, err, mask)
		}
	}
}
