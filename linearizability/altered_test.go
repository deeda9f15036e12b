package linearizability

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// leaves calls back for every value within v that can be set, however deep, with its place. The
// number of a line is the history's.
func leaves(v reflect.Value, visit func(at string, v reflect.Value)) {
	var walk func(at string, v reflect.Value)
	walk = func(at string, v reflect.Value) {
		if v.Kind() != reflect.Struct {
			visit(at, v)
		}
		for i, c := range within(v) {
			walk(fmt.Sprint(at, ".", i), c)
		}
	}
	walk("", v)
}

// within returns the values that v consists of.
func within(v reflect.Value) (all []reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "No" {
				all = append(all, v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return within(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				all = append(all, v.Index(i))
			}
		}
	}
	return all
}

// drawLeaf draws a value within v: one that is not zero most often, and one near the top as soon
// as any other.
func drawLeaf(t *rapid.T, v reflect.Value) reflect.Value {
	for {
		all := within(v)
		if rapid.IntRange(0, 9).Draw(t, "zero") > 0 {
			all = slices.DeleteFunc(all, reflect.Value.IsZero)
		}
		if len(all) == 0 {
			return v
		}
		next := rapid.SampledFrom(all).Draw(t, "within")
		if v = next; v.Kind() != reflect.Struct && rapid.IntRange(0, 3).Draw(t, "here") == 0 {
			return v
		}
	}
}

// nasty are numbers and texts at whose edges readers and judges may stumble. Numbers are cut to the
// width of what they are put into.
var (
	nastyInts = []int64{-1, 0, 1, 2, 3, 7, 100, 101, 110, 1 << 31, 1<<31 - 1, 1 << 32, 1<<32 + 1,
		math.MaxInt64, math.MinInt64, -4, -101, -103, -112, -11}
	nastyTexts = []string{"", "/", "a", "/a", "/a/x", "//", "/a/", "-", "/a-0000000001",
		"/zookeeper", "/zookeeper/config", "/zookeeper/quota/a/zookeeper_limits",
		"count=1,bytes=-1", "\x00",
		"server.1=a:1:2;3\nversion=100000000", CauseServer, CauseNetwork, TurnTaken, TurnRefused}
)

// alter changes a history so that it is still one that can be written, and most likely none that
// any service could have caused.
func alter(t *rapid.T, h *History) {
	for range rapid.IntRange(1, 4).Draw(t, "alterations") {
		if len(h.Lines) == 0 {
			return
		}
		i := drawLine(t, h)
		switch act := rapid.IntRange(0, 19).Draw(t, "act"); act {
		case 0:
			h.Lines = slices.Delete(h.Lines, i, i+1)
		case 1:
			h.Lines = slices.Insert(h.Lines, i, copied(t, h, drawLine(t, h)))
		case 2:
			l := copied(t, h, i)
			h.Lines = slices.Delete(h.Lines, i, i+1)
			h.Lines = slices.Insert(h.Lines, rapid.IntRange(0, len(h.Lines)).Draw(t, "to"), l)
		case 3:
			if l := drawLeaf(t, reflect.ValueOf(&h.Header).Elem()); l.Kind() != reflect.Struct {
				l.Set(other(t, h, l))
			}
		default:
			l := drawLeaf(t, reflect.ValueOf(&h.Lines[i]).Elem())
			if l.Kind() == reflect.Struct {
				break
			}
			to := other(t, h, l)
			if act < 12 || !l.Comparable() || l.Kind() == reflect.Pointer {
				l.Set(to)
				break
			}
			// What belongs together still does: all that say the same say the other then.
			was := reflect.ValueOf(l.Interface())
			leaves(reflect.ValueOf(&h.Lines).Elem(), func(_ string, o reflect.Value) {
				if o.Type() == was.Type() && o.Equal(was) {
					o.Set(to)
				}
			})
		}
	}
	for i := range h.Lines {
		h.Lines[i].No = i + 2
	}
}

// drawLine draws a line: one of a rare kind as soon as one of a frequent one.
func drawLine(t *rapid.T, h *History) int {
	var kinds []Kind
	at := map[Kind][]int{}
	for i := range h.Lines {
		k := h.Lines[i].Kind
		if at[k] == nil {
			kinds = append(kinds, k)
		}
		at[k] = append(at[k], i)
	}
	return rapid.SampledFrom(at[rapid.SampledFrom(kinds).Draw(t, "kind")]).Draw(t, "line")
}

// other draws what else could stand in a place: what stands in one of the same type in another
// line, or a nasty value.
func other(t *rapid.T, h *History, l reflect.Value) reflect.Value {
	if rapid.Bool().Draw(t, "graft") {
		var same []reflect.Value
		line := copied(t, h, drawLine(t, h))
		leaves(reflect.ValueOf(&line).Elem(), func(_ string, o reflect.Value) {
			if o.Type() == l.Type() {
				same = append(same, o)
			}
		})
		if len(same) > 0 {
			return rapid.SampledFrom(same).Draw(t, "from")
		}
	}
	v := reflect.New(l.Type()).Elem()
	switch l.Kind() {
	case reflect.Bool:
		v.SetBool(!l.Bool())
	case reflect.String:
		v.SetString(rapid.SampledFrom(nastyTexts).Draw(t, "text"))
	case reflect.Pointer, reflect.Slice: // nil
	default:
		n := reflect.ValueOf(rapid.SampledFrom(nastyInts).Draw(t, "number"))
		v.Set(n.Convert(l.Type()))
	}
	return v
}

// copied returns a line that shares nothing with the history.
func copied(t *rapid.T, h *History, i int) Line {
	one := &History{Header: Header{Version: Version}, Lines: []Line{h.Lines[i]}}
	back, _ := written(t, one)
	if back == nil {
		return Line{Kind: KindNote, Text: "of a line that nobody can read"}
	}
	return back.Lines[0]
}

// written returns what a reader makes of a history, nil if it refuses it.
func written(t *rapid.T, h *History) (*History, []byte) {
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		return nil, nil // an opcode or a code without a name
	}
	text := bytes.Clone(b.Bytes())
	back, err := Read(&b)
	if err != nil {
		return nil, text
	}
	return back, text
}

// ensembleHistory is of a simulated ensemble that is reconfigured: seed 10 at 97e23d4, with the
// knobs Hosts=3 WeightOperator=50 DurationMs=1500 Clients=2 Recipes=0 ProtocolClients=1.
//
//go:embed testdata/ensemble.history
var ensembleHistory string

func readEnsemble(t interface{ Fatal(args ...any) }) *History {
	h, err := Read(strings.NewReader(ensembleHistory))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// startingPoint returns a clean history to be altered. The model's are of one server.
func startingPoint(t *rapid.T) *History {
	if rapid.IntRange(0, 3).Draw(t, "start") == 0 {
		return readEnsemble(t)
	}
	h, text := written(t, drawHistory(t))
	if h == nil {
		t.Fatalf("what the model wrote cannot be read:\n%s", text)
	}
	return h
}

// TestEnsembleHistory: the history to be altered is clean before.
func TestEnsembleHistory(t *testing.T) {
	if r := Judge(readEnsemble(t)); !r.OK() || r.Unjudged > 0 {
		t.Error(r)
	}
}

// altered is the property of TestAlteredHistories.
func altered(t *rapid.T) {
	clean := startingPoint(t)
	if rapid.Bool().Draw(t, "blind") {
		clean.Lines = slices.DeleteFunc(clean.Lines,
			func(l Line) bool { return l.Kind == KindCommit })
		clean.Header.Fresh = rapid.Bool().Draw(t, "fresh")
	}
	alter(t, clean)
	h, text := written(t, clean)
	if h == nil {
		return
	}
	first := Judge(h)
	_ = first.String()
	again, _ := written(t, h)
	if again == nil {
		t.Fatalf("what was read is written as what cannot be read:\n%s", text)
	}
	if d := cmp.Diff(first, Judge(again), cmp.AllowUnexported(Report{})); d != "" {
		t.Fatalf("judged twice, with two verdicts:\n%s\n%s", d, text)
	}
}

// TestEachAlteration: no judge stumbles over a single thing that is left out, or stands in the
// place of another, wherever in a line of any sort that is.
func TestEachAlteration(t *testing.T) {
	h, blind := readEnsemble(t), readEnsemble(t)
	blind.Lines = slices.DeleteFunc(blind.Lines,
		func(l Line) bool { return l.Kind == KindCommit })
	blind.Header.Fresh = true
	if r := Judge(blind); !r.OK() {
		t.Error(r)
	}
	t.Logf("%d alterations", eachAlteration(t, h)+eachAlteration(t, blind))
}

func eachAlteration(t *testing.T, h *History) int {
	seen := map[string]bool{}
	for i := range h.Lines {
		sort := sortOf(&h.Lines[i])
		leaves(reflect.ValueOf(&h.Lines[i]).Elem(), func(at string, v reflect.Value) {
			for _, to := range instead(v) {
				what := fmt.Sprint(sort, at, to)
				if seen[what] || reflect.DeepEqual(v.Interface(), to.Interface()) {
					continue
				}
				seen[what] = true
				was := reflect.ValueOf(v.Interface())
				v.Set(to)
				survives(t, h, what)
				v.Set(was)
			}
		})
	}
	return len(seen)
}

// sortOf names what a line is like.
func sortOf(l *Line) string {
	s := fmt.Sprint(l.Kind)
	if l.Commit != nil {
		s += fmt.Sprint(l.Commit.Kind, l.Commit.Skipped, l.Commit.Pending)
	}
	if l.Request != nil {
		s += fmt.Sprint(l.Request.Op)
	}
	if l.Result != nil {
		s += fmt.Sprint(l.Result.Err != CodeOk, l.Result.Stat != nil)
	}
	return s
}

// instead returns what may stand in a value's place: nothing, and what is strange.
func instead(v reflect.Value) []reflect.Value {
	all := []reflect.Value{reflect.Zero(v.Type())}
	switch v.Kind() {
	case reflect.Bool:
		all = append(all, reflect.ValueOf(true))
	case reflect.String:
		all = append(all, reflect.ValueOf("a").Convert(v.Type()))
	case reflect.Pointer, reflect.Slice:
	default:
		all = append(all, reflect.ValueOf(-1).Convert(v.Type()))
	}
	return all
}

// survives lets the judges look at what a reader makes of a history.
func survives(t *testing.T, h *History, what string) {
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		return
	}
	back, err := Read(&b)
	if err != nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: %v", what, r)
		}
	}()
	Judge(back)
}

// TestAlteredHistories: whatever a few alterations make of a history, the judges come to an end,
// and to the same verdict each time.
func TestAlteredHistories(t *testing.T) { rapid.Check(t, altered) }

// FuzzAltered does the same, and looks for alterations that reach something new.
func FuzzAltered(f *testing.F) { f.Fuzz(rapid.MakeFuzz(altered)) }
