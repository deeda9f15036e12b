// Package mutant names the known bugs that the simulator, or the oracle, must catch.
//
// A mutant is a place in the code that asks On(name) and, if told so, does the wrong thing:
//
//	if !mutant.On("tree-failing-write-no-zxid") {
//		s.zxid = next
//	}
//
// Without the build tag `mutants` On is false at compile time: the wrong branch is not in the
// binary. With it, one mutant at a time is chosen by Select before anything else starts; from
// then on the choice is only read, which is why this package needs no lock and why the sans-IO
// packages may import it. Every name stands in a table of this package; internal/tidy checks that
// no code asks for another one.
package mutant

import (
	"fmt"
	"slices"
)

// A Mutant is one known bug.
type Mutant struct {
	// Name says where the bug is. Those of replication are found by the scenarios of that package
	// too, those of members by core's own tests, those of oracle by fuzz/oracle.
	Name string
	// Text says in one sentence what goes wrong.
	Text string
	// Known is what the catalogue of bugs that must be caught calls it, if it stands there.
	Known string
	Area  Area
	By    Hunter
}

// Area is what part of the product a bug is in.
type Area uint8

// The areas.
const (
	Raft       Area = iota // the use of raft, streams, and what is stored
	Tree                   // znodes and writes
	Sessions               // sessions and their ephemerals
	Watches                // watches and events
	Reads                  // reads and syncs, and the order of replies
	Client                 // the protocol half of the client
	Membership             // who belongs to the ensemble
	Limits                 // permissions, quotas, times to live, sizes
)

var areas = [...]string{"raft and storage", "tree", "sessions", "watches", "reads", "client",
	"membership", "limits"}

// Areas returns all areas.
func Areas() []Area {
	all := make([]Area, len(areas))
	for i := range all {
		all[i] = Area(i)
	}
	return all
}

func (a Area) String() string {
	if int(a) < len(areas) {
		return areas[a]
	}
	return fmt.Sprintf("Area(%d)", uint8(a))
}

// Hunter is who has to catch a bug.
type Hunter uint8

// The hunters.
const (
	World     Hunter = iota // the sweep of simulated worlds, soon
	Worlds                  // it as well, but only some of very many worlds
	Scenarios               // tests of the package with the bug: no world can have what it takes
	Oracle                  // fuzz/oracle, which compares with a real ZooKeeper
)

// List returns all mutants, in the order of their tables.
func List() []Mutant {
	return slices.Concat(
		planted(Raft, World, raft),
		planted(Tree, World, tree),
		planted(Sessions, World, sessions),
		planted(Watches, World, watches),
		planted(Reads, World, reads),
		planted(Client, World, client),
		planted(Membership, World, membership),
		planted(Limits, World, limits),
		planted(Raft, Worlds, raftRare),
		planted(Reads, Worlds, readsRare),
		planted(Membership, Worlds, membershipRare),
		planted(Limits, Worlds, limitsRare),
		planted(Raft, Scenarios, raftScenarios),
		planted(Sessions, Scenarios, sessionsScenarios),
		planted(Membership, Scenarios, membershipScenarios),
		planted(Limits, Scenarios, limitsScenarios),
		planted(Tree, Oracle, oracle))
}

func planted(area Area, by Hunter, list []Mutant) []Mutant {
	list = slices.Clone(list)
	for i := range list {
		list[i].Area, list[i].By = area, by
	}
	return list
}

// known reports whether name is in a table.
func known(name string) bool {
	return slices.ContainsFunc(List(), func(m Mutant) bool { return m.Name == name })
}
