package config

import (
	"math"
	"slices"
	"strings"
)

// Place says where a key may stand.
type Place int

// The places.
const (
	// InFile: only in zoo.cfg. As a -D property it means nothing, here as in ZooKeeper.
	InFile Place = iota
	// Anywhere: in zoo.cfg as it is, or as -Dzookeeper.<key>; the file wins.
	Anywhere
	// Unprefixed: a Java property without "zookeeper." in front. ZooKeeper reads it from -D
	// only and ignores it in zoo.cfg; here it counts there as well, unless -D says otherwise.
	Unprefixed
	// InDynamicFile: in zoo.cfg or in the dynamic file.
	InDynamicFile
)

// Status says what a key does in this version.
type Status int

// The statuses.
const (
	// Works: the value lands in Config.
	Works Status = iota
	// NoEffect: accepted, and named once.
	NoEffect
	// Refused: ignoring it would weaken safety or security, so the server does not start.
	Refused
)

// String is the status as the documentation names it.
func (s Status) String() string {
	switch s {
	case Works:
		return "works"
	case NoEffect:
		return "no effect"
	case Refused:
		return "refused"
	}
	return "Status?"
}

// Key is one row of the table: everything there is to know about a key.
type Key struct {
	// Name as written in zoo.cfg. A last element * stands for any suffix: server.*.
	Name string
	// Aliases are further full names of Java properties; they count less than the name itself.
	Aliases []string
	Place   Place
	Kind    Kind
	// Unit of the number: ms, bytes, KB, ticks; "" for a plain one.
	Unit string
	// Default is what counts when the key is absent, in words.
	Default string
	// Min and Max bound an integer; both 0 stand for any 32-bit integer.
	Min, Max int64
	// Enum are the values of KindEnum.
	Enum   []string
	Status Status
	// Why says why a key has no effect, or why it is refused; Remedy the way out of a refusal.
	Why, Remedy string
	// Fine are values that ask for nothing this server does not do anyway: no notice, no fault.
	Fine []string
	// Meaning is a sentence: what the key does, and with what consequence.
	Meaning string

	// set puts the value into the configuration. Invariant: not nil exactly if Status is Works.
	set func(*Config, value)
}

// Group is a part of the table, with a heading.
type Group struct {
	Title string
	// Text introduces the group in the documentation; "" for none.
	Text string
	Keys []Key
}

// Table is every key that is known, in groups; the keys of a group are sorted by name.
func Table() []Group {
	groups := []Group{
		{Title: "Addresses and directories", Keys: addressKeys()},
		{Title: "Sessions and limits", Keys: limitKeys()},
		{Title: "Throttles", Text: throttleText, Keys: throttleKeys()},
		{Title: "Znodes", Keys: znodeKeys()},
		{Title: "Access", Keys: accessKeys()},
		{Title: "SASL and Kerberos", Text: saslText, Keys: saslKeys()},
		{Title: "TLS", Text: tlsText, Keys: tlsKeys()},
		{Title: "Log and checkpoints", Text: storageText, Keys: storageKeys()},
		{Title: "Ensemble", Text: ensembleText, Keys: ensembleKeys()},
		{Title: "Leader, learners and election", Keys: learnerKeys()},
		{Title: "Four-letter words, admin server, metrics, audit", Keys: adminKeys()},
		{Title: "Java internals", Text: javaText, Keys: javaKeys()},
	}
	for _, g := range groups {
		slices.SortFunc(g.Keys, func(a, b Key) int {
			return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		})
	}
	return groups
}

// Property is the full name of the Java property, "" if the key is only read from the file.
func (k *Key) Property() string {
	switch k.Place {
	case Anywhere:
		return "zookeeper." + k.Name
	case Unprefixed:
		return k.Name
	case InFile, InDynamicFile:
	}
	return ""
}

// matches tells if name is the key's name, or begins as it does before the *.
func (k *Key) matches(name string) bool {
	if stem, ok := strings.CutSuffix(k.Name, "*"); ok {
		return strings.HasPrefix(name, stem)
	}
	return k.Name == name
}

func (k *Key) bounds() (low, high int64) {
	if k.Min == 0 && k.Max == 0 {
		return math.MinInt32, math.MaxInt32
	}
	return k.Min, k.Max
}

// isFine tells if the value asks for nothing that this server does not do anyway.
func (k *Key) isFine(text string) bool {
	for _, fine := range k.Fine {
		if strings.EqualFold(fine, text) {
			return true
		}
	}
	return false
}

// index finds keys by the names they are written with.
type index struct {
	keys []*Key
	// exact has all names without a *, as in zoo.cfg; property the full names of properties.
	exact, property map[string]*Key
	// families are the keys with a *, the longest stem first.
	families []*Key
}

func newIndex() *index {
	ix := &index{exact: map[string]*Key{}, property: map[string]*Key{}}
	for _, g := range Table() {
		for i := range g.Keys {
			ix.add(&g.Keys[i])
		}
	}
	slices.SortFunc(ix.families, func(a, b *Key) int { return len(b.Name) - len(a.Name) })
	return ix
}

func (ix *index) add(k *Key) {
	ix.keys = append(ix.keys, k)
	if strings.HasSuffix(k.Name, "*") {
		ix.families = append(ix.families, k)
		return
	}
	ix.exact[k.Name] = k
	if p := k.Property(); p != "" {
		ix.property[p] = k
	}
	for _, alias := range k.Aliases {
		ix.property[alias] = k
	}
}

// inFile finds the key that a name in zoo.cfg stands for, nil if none.
func (ix *index) inFile(name string) *Key {
	if k := ix.exact[name]; k != nil {
		return k
	}
	for _, k := range ix.families {
		if k.matches(name) {
			return k
		}
	}
	return nil
}

// asProperty finds the key that a -D name stands for. It is false if the key is known but not
// read from there.
func (ix *index) asProperty(name string) (*Key, bool) {
	if k := ix.property[name]; k != nil {
		return k, true
	}
	short, ok := strings.CutPrefix(name, "zookeeper.")
	if !ok {
		return nil, false
	}
	k := ix.inFile(short)
	return k, k != nil && k.Place == Anywhere
}
