package sim

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Plan is what is left of a world once it has been made smaller: it replays exactly in the binary,
// or at the commit, in which it was made.
//
// As a file it is text that people may read and change:
//
//	seed 7
//	mutant reads-own-write-not-seen     the known bug with which it fails, if any
//	luck 2                              another stream for all that is not decided
//	calm                                knobs are those of a quiet world, unless they are named
//	knob SyncUs=15000
//	end 3.125417                        seconds after which nothing more happens
//	patience 20.0                       seconds to wait for the end of a world, instead of 300
//	gap 1.25 17.5                       seconds that are left out
//	keep client 3#17.1.1                decisions; without any, all are kept
//	keep crash of 2#1 @ 1.2 1 KIND      at the first boundary of a kind at that second, or later
type Plan struct {
	Seed   uint64
	Mutant string
	Luck   uint64
	// Calm says that knobs whose loss leaves all decisions what they are have the values of a
	// quiet world, and others those that the seed draws.
	Calm bool
	// Knobs are exceptions, as Name=number.
	Knobs []string
	// EndUs ends the world, if it is not 0: its judges see what has happened until then.
	EndUs int64
	// PatienceUs is how long anybody waits for the end of a world once its faults have stopped;
	// 0: as long as in any other.
	PatienceUs int64
	// MostEvents, if it is not 0, ends the world behind so many: for who tries plans, and has no
	// use for one with more. It is no part of the file.
	MostEvents int64
	Gaps       []Gap
	// Keep are the decisions that are not suppressed, all if it is nil.
	Keep []Decision
	// Notes are for people.
	Notes []string
}

// settings are the names of knobs that decide nothing by themselves: the member's configuration,
// the pace of things, and how often something happens that is no decision.
var settings = strings.Fields(`RealStore MaxEntryBytes CheckpointBytes CheckpointItems KeptLogBytes
	IdleTicks ContainerCheckMs ContainerNeverUsedMs SoftUnsent HardUnsent MaxOutstanding
	MaxOutstandingBytes MaxQueued MaxQueuedBytes MaxInputBytes MaxHeldBytes MaxConnections
	MaxBuffer HandshakeMs EnforceQuota NoExtendedTypes SkipACL ReconfigEnabled LoopUs AppendUs
	SyncUs ApplyUs ApplyBudget CheckpointUs FeedUs FeedBudget FeedBytes FlushUs FlushBytes SlowSync
	LosePower KeepUnsynced DownMs DriftPerMille DelayUs Window SplitPerMille SlowSegmentPerMille
	SmallWindowPerMille FoundingTerm ZxidLead Uneven MaxLogBytes MaxFlightBytes MaxIntakeBytes
	PieceBytes StaggerMs ResendTicks SyncLimitMs DigestEntries PeerDelayUs PeerOneInFlight
	PeerSlowPerMille PeerSpoiled PeerLatePerMille Asks Spares Upgrade WrongPassword FutureZxid
	ReadOnlyClients HasteMs Sticky`)

// Draw returns the knobs that a seed draws.
func Draw(seed uint64) Knobs { return draw(seed) }

// Difference says how the knobs of k must be set to be those of other.
func (k Knobs) Difference(other Knobs) []string {
	was := map[string]int64{}
	k.each(func(name string, v *int64) { was[name] = *v })
	var set []string
	other.each(func(name string, v *int64) {
		if was[name] != *v {
			set = append(set, fmt.Sprintf("%s=%d", name, *v))
		}
	})
	return set
}

// Settings returns, as Name=number, the knobs that decide nothing by themselves and are not those
// of a quiet world.
func (k Knobs) Settings() []string {
	quiet := Ensemble(max(k.Hosts, 1), k.DurationMs)
	return slices.DeleteFunc(quiet.Difference(k), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return !slices.Contains(settings, name)
	})
}

// World returns the knobs of the plan's world.
func (p *Plan) World() (Knobs, error) {
	k := draw(p.Seed)
	if p.Calm {
		quiet := reflect.ValueOf(Ensemble(max(k.Hosts, 1), k.DurationMs))
		v := reflect.ValueOf(&k).Elem()
		for _, name := range settings {
			v.FieldByName(name).Set(quiet.FieldByName(name))
		}
	}
	for _, s := range p.Knobs {
		if err := k.Set(s); err != nil {
			return k, err
		}
	}
	return k, nil
}

// follow makes the world that of a plan.
func (w *World) follow(p *Plan) {
	if p == nil {
		return
	}
	w.luck ^= p.Luck * 0x9e3779b97f4a7c15
	w.gaps = p.Gaps
	if p.PatienceUs > 0 {
		w.patience = p.PatienceUs
	}
	w.most = p.MostEvents
	if p.EndUs > 0 {
		w.clock.after(p.EndUs, func() { w.short, w.over = true, true })
	}
	if p.Keep == nil {
		return
	}
	w.only = map[string]bool{}
	for _, d := range p.Keep {
		for id := d.ID; id != ""; id = parent(id) {
			w.only[id] = true
		}
	}
	w.pin(p.Keep)
}

// Size is how many decisions the plan asks for: those that are kept, the knobs that are not those
// of a quiet world, and the end.
func (p *Plan) Size() int {
	n := len(p.Keep) + len(p.Knobs)
	if p.EndUs > 0 {
		n++
	}
	return n
}

// Write writes the plan as text.
func (p *Plan) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	line := func(format string, args ...any) {
		_, _ = fmt.Fprintf(b, format+"\n", args...) // Flush tells of errors
	}
	for _, n := range p.Notes {
		line("# %s", n)
	}
	line("seed %d", p.Seed)
	if p.Mutant != "" {
		line("mutant %s", p.Mutant)
	}
	if p.Luck != 0 {
		line("luck %d", p.Luck)
	}
	if p.Calm {
		line("calm")
	}
	for _, k := range p.Knobs {
		line("knob %s", k)
	}
	for _, g := range p.Gaps {
		line("gap %s %s", seconds(g.From), seconds(g.To))
	}
	if p.Keep != nil && len(p.Keep) == 0 {
		line("keep nothing")
	}
	for i, d := range p.Keep {
		id := d.ID
		if d.Spot != (Spot{}) {
			id += " @ " + d.Spot.String()
		}
		line("keep %-28s # %d, at %s s: %s", id, i+1, seconds(d.At), d.What)
	}
	if p.PatienceUs > 0 {
		line("patience %s", seconds(p.PatienceUs))
	}
	if p.EndUs > 0 {
		line("end %s", seconds(p.EndUs))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write decisions: %w", err)
	}
	return nil
}

// seconds shows microseconds exactly.
func seconds(us int64) string { return fmt.Sprintf("%d.%06d", us/second, us%second) }

// ReadPlan reads what Write has written.
func ReadPlan(r io.Reader) (*Plan, error) {
	p := &Plan{}
	in := bufio.NewScanner(r)
	for no := 1; in.Scan(); no++ {
		text := in.Text()
		if note, ok := strings.CutPrefix(text, "# "); ok {
			p.Notes = append(p.Notes, note)
			continue
		}
		what := ""
		if at := strings.Index(text, " # "); at >= 0 {
			text, what = text[:at], text[at+3:]
		}
		if err := p.read(strings.TrimSpace(text), what); err != nil {
			return nil, fmt.Errorf("read decisions: line %d: %q: %w", no, in.Text(), err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	_, err := p.World()
	return p, err
}

func (p *Plan) read(text, what string) (err error) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "", "#":
	case "seed":
		p.Seed, err = strconv.ParseUint(rest, 10, 64)
	case "mutant":
		p.Mutant = rest
	case "luck":
		p.Luck, err = strconv.ParseUint(rest, 10, 64)
	case "calm":
		p.Calm = true
	case "knob":
		p.Knobs = append(p.Knobs, rest)
	case "end":
		p.EndUs, err = microseconds(rest)
	case "patience":
		p.PatienceUs, err = microseconds(rest)
	case "gap":
		var g Gap
		from, to, _ := strings.Cut(rest, " ")
		if g.From, err = microseconds(from); err == nil {
			g.To, err = microseconds(to)
		}
		p.Gaps = append(p.Gaps, g)
	case "keep":
		if p.Keep == nil {
			p.Keep = []Decision{}
		}
		if rest == "" || rest[0] == '#' || strings.Contains(rest, " #") {
			return fmt.Errorf("%q names no decision", rest)
		}
		if rest == "nothing" {
			break
		}
		id, at, placed := strings.Cut(rest, " @ ")
		d := decisionOf(id, what)
		if placed {
			d.Spot, err = spotOf(at)
		}
		p.Keep = append(p.Keep, d)
	default:
		err = fmt.Errorf("nothing is called %q here", word)
	}
	return err
}

// decisionOf reads a decision and what was noted for people.
func decisionOf(id, what string) Decision {
	d := Decision{ID: id, What: what}
	if _, rest, ok := strings.Cut(what, ", at "); ok {
		at, text, _ := strings.Cut(rest, " s: ")
		if us, err := microseconds(at); err == nil {
			d.At, d.What = us, text
		}
	}
	return d
}

// microseconds reads what seconds shows.
func microseconds(text string) (int64, error) {
	whole, part, _ := strings.Cut(text, ".")
	if whole == "" || len(part) > 6 || strings.Trim(whole+part, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no number of seconds with six places at most", text)
	}
	return strconv.ParseInt(whole+part+"000000"[len(part):], 10, 64)
}
