package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
)

func TestDump(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		t.Skip()
	}
	f, _ := os.Create("/tmp/viv/trace." + os.Getenv("SEED"))
	r := Run(Options{Seed: seed, Trace: f})
	f.Close()
	g, _ := os.Create("/tmp/viv/hist." + os.Getenv("SEED"))
	r.History.Write(g)
	g.Close()
	fmt.Println(r.Knobs)
	fmt.Println(r.Trace)
	for _, v := range r.Violations {
		fmt.Println(v)
	}
}
