package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A goldenFrame is one line of testdata/golden; testdata/README.md says how they were captured.
type goldenFrame struct {
	client  string // the file's name without .hex
	step    string // what the driver did
	dir     string // ">" to the server, "<" from it
	connect bool
	op      OpCode // of the request; OpNotification for events
	frame   []byte
}

func (g *goldenFrame) name() string {
	if g.connect {
		return strings.Join([]string{g.client, g.step, g.dir, "connect"}, " ")
	}
	return strings.Join([]string{g.client, g.step, g.dir, g.op.String()}, " ")
}

func readGolden(t *testing.T) []goldenFrame {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*.hex")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var all []goldenFrame
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		client := strings.TrimSuffix(filepath.Base(file), ".hex")
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			all = append(all, parseGolden(t, client, lines.Text()))
		}
	}
	return all
}

func parseGolden(t *testing.T, client, line string) goldenFrame {
	t.Helper()
	fields := strings.Fields(line)
	if len(fields) != 4 {
		t.Fatalf("%s: %d fields in %q, want 4", client, len(fields), line)
	}
	g := goldenFrame{client: client, step: fields[0], dir: fields[1]}
	g.connect = fields[2] == "connect"
	if !g.connect {
		op, err := strconv.Atoi(fields[2])
		if err != nil {
			t.Fatalf("%s: %q: %v", client, line, err)
		}
		g.op = OpCode(op)
	}
	var err error
	if g.frame, err = hex.DecodeString(fields[3]); err != nil {
		t.Fatalf("%s: %q: %v", client, line, err)
	}
	return g
}

// decode reads the records of a frame and returns them with the bytes that are left.
func (g *goldenFrame) decode() (records []record, left int, err error) {
	r := NewReader(g.frame[FrameHeaderLen:])
	read := func(rec record) {
		if rec != nil {
			rec.Decode(&r)
			records = append(records, rec)
		}
	}
	switch {
	case g.connect && g.dir == ">":
		read(new(ConnectRequest))
	case g.connect:
		read(new(ConnectResponse))
	case g.dir == ">":
		var header RequestHeader
		read(&header)
		read(requestRecord(header.Op))
	default:
		var header ReplyHeader
		read(&header)
		if header.Err == CodeOk {
			read(responseRecord(g.op))
		}
	}
	return records, r.Len(), r.Err()
}

// odd names the frames that do not re-encode to themselves, and why. All were made by hand, or
// answer such a request.
var odd = map[string]string{
	"raw create-aclcount > create":     "a count of -2 is taken for 0",
	"raw exists-bool2 > exists":        "a true of 2",
	"raw sync-null > sync":             "null and empty paths are the same",
	"raw sync-null < sync":             "null and empty paths are the same",
	"raw exists-trailing > exists":     "bytes after the record",
	"raw multiread-writes < multiRead": "an error with half a body",
	"raw multi-endop > multi":          "an odd end",
	"raw exists-negative > exists":     ErrNegativeLength.Error(),
	"raw multi-mixed > multi":          ErrMultiOp.Error(),
}

// Every frame of a real client and a real server decodes and re-encodes to the same bytes.
func TestGoldenFrames(t *testing.T) {
	for _, g := range readGolden(t) {
		reason, isOdd := odd[g.name()]
		if n, err := FrameLength(g.frame, DefaultMaxBuffer); n != len(g.frame) || err != nil {
			t.Errorf("%s: FrameLength = %d, %v, want %d", g.name(), n, err, len(g.frame))
		}
		records, left, err := g.decode()
		if err != nil || left > 0 {
			if !isOdd || err != nil && err.Error() != reason {
				t.Errorf("%s: decode %x: %d bytes left, error %v", g.name(), g.frame, left, err)
			}
			continue
		}
		b, at := BeginFrame([]byte("before"))
		for _, rec := range records {
			b = rec.AppendTo(b)
		}
		b = EndFrame(b, at)[at:]
		if same := bytes.Equal(b, g.frame); same == isOdd {
			t.Errorf("%s: is odd: %v (%s)\n got %x\nwant %x", g.name(), isOdd, reason, b, g.frame)
		}
	}
}

// Which operations no real client was made to send, so that their records rest on the tables
// of PROTOCOL alone (those in raw.hex were sent by hand and answered by a real server).
func TestGoldenCoverage(t *testing.T) {
	missing := map[OpCode]bool{}
	for op := OpCode(-20); op <= 120; op++ {
		if _, ok := opNames[op]; ok {
			missing[op] = true
		}
	}
	for _, g := range readGolden(t) {
		if g.client != "raw" && !g.connect {
			delete(missing, g.op)
		}
	}
	want := []OpCode{
		OpCreateSession,   // never on a client's socket
		OpError,           // no request
		OpCheck,           // only inside a multi, where it is covered
		OpCheckWatches,    // no client has a call for it; in raw.hex
		OpDeleteContainer, // the servers' own; in raw.hex
	}
	var got []OpCode
	for op := OpCode(-20); op <= 120; op++ {
		if missing[op] {
			got = append(got, op)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("no frames of real clients for %v, want %v", got, want)
	}
}

// frames returns the records of all frames with that name, one list per frame.
func frames(t *testing.T, all []goldenFrame, name string) [][]record {
	t.Helper()
	var found [][]record
	for _, g := range all {
		if g.name() == name {
			records, _, err := g.decode()
			if err != nil {
				t.Errorf("%s: decode %x: %v", name, g.frame, err)
			}
			found = append(found, records)
		}
	}
	return found
}

// What the frames say, written by hand from the bytes.
func TestGoldenMeanings(t *testing.T) {
	all := readGolden(t)
	seen := map[string]int{}
	for _, test := range goldenMeanings {
		found := frames(t, all, test.name)
		nth := seen[test.name]
		seen[test.name]++
		if nth >= len(found) {
			t.Errorf("%s: %d frames of that name, want more than %d", test.name, len(found), nth)
			continue
		}
		if diff := cmp.Diff(test.want, found[nth]); diff != "" {
			t.Errorf("%s (frame %d of that name) differs:\n%s", test.name, nth, diff)
		}
	}
}
