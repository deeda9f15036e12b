package sim_test

import (
	"fmt"

	"github.com/vivariumdb/vivarium/sim"
	"github.com/vivariumdb/vivarium/wire"
)

// One seed is one world, from the first connection to the verdict of the judges.
func ExampleRun() {
	r := sim.Run(sim.Options{Seed: 1})
	fmt.Println("violations:", len(r.Violations))
	fmt.Println("the same again:", sim.Run(sim.Options{Seed: 1}).Trace == r.Trace)
	// Output:
	// violations: 0
	// the same again: true
}

// A scenario tells clients what to do in a world where nothing else happens.
func ExampleStage() {
	k := sim.Quiet(1000)
	var reader sim.Actor
	r := sim.Run(sim.Options{Seed: 1, Knobs: &k, Script: func(s *sim.Stage) {
		writer := s.Actor()
		reader = s.Actor()
		s.At(100, func() { reader.Send(exists("/news", true)) })
		s.At(200, func() { writer.Send(create("/news", wire.FlagPersistent)) })
	}})
	for _, h := range reader.Heard() {
		if h.Event != 0 {
			fmt.Println(h.Event, h.Path)
		}
	}
	fmt.Println("violations:", len(r.Violations))
	// Output:
	// created /news
	// violations: 0
}
