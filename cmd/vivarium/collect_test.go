package main

import "testing"

func TestPercentFor(t *testing.T) {
	for _, test := range []struct {
		live uint64
		want int
	}{
		{0, 200},
		{8 << 20, 200},
		{40 << 20, 160},
		{64 << 20, 100},
		{100 << 20, 64},
		{1 << 30, 60},
		{64 << 30, 60},
	} {
		if got := percentFor(test.live); got != test.want {
			t.Errorf("percentFor(%d) = %d, want %d", test.live, got, test.want)
		}
	}
}

func TestQuietness(t *testing.T) {
	const mb = 1 << 20
	var q quietness
	m := memory{allocated: 100 * mb, live: 10 * mb, held: 80 * mb}
	second := func(allocated uint64) bool {
		m.allocated += allocated
		return q.over(m)
	}
	for i := range 100 {
		if second(mb) {
			t.Fatalf("second %d: memory given back while the server works", i)
		}
	}
	for i := 1; i < quietSeconds; i++ {
		if second(1000) {
			t.Fatalf("memory given back after %d quiet seconds", i)
		}
	}
	if !second(1000) {
		t.Fatalf("nothing given back after %d quiet seconds", quietSeconds)
	}
	m.held = 20 * mb
	q.freed(m)
	for i := range 100 {
		if second(50_000) {
			t.Fatalf("second %d: given back again, although nothing has grown", i)
		}
	}
	m.held = 40 * mb
	if second(1000) {
		t.Fatal("given back although next to nothing was allocated: there is nothing to find")
	}
	if second(20 * mb) {
		t.Fatal("memory given back while the server works")
	}
	for i := 1; i < quietSeconds; i++ {
		second(0)
	}
	if !second(0) {
		t.Fatal("nothing given back although the heap has grown and is quiet")
	}
}
