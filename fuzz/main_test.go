package main

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"wire/reader_test.go": file("package wire\nfunc FuzzReader(f *testing.F) {}\n" +
			"func FuzzFrame(f *testing.F) {}\nfunc TestX(t *testing.T) {}\n"),
		"wire/reader.go": file("package wire\nfunc FuzzNotATest() {}\n"),
		"client/p/conn_test.go": file("package p\nfunc (x T) FuzzMethod() {}\n" +
			"func FuzzConn() {}\n"),
		"wire/testdata/b_test.go": file("not go\n"),
		".cache/b_test.go":        file("not go\n"),
	}
	got, err := find(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := []target{{"./client/p", "FuzzConn"}, {"./wire", "FuzzReader"}, {"./wire", "FuzzFrame"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); diff != "" {
		t.Errorf("find (-want +got):\n%s", diff)
	}
}

func TestSelected(t *testing.T) {
	for _, test := range []struct {
		pkg      string
		patterns []string
		want     bool
	}{
		{"./wire", nil, true},
		{"./wire", []string{"./wire"}, true},
		{"./wire", []string{"wire"}, true},
		{"./wire", []string{"./core"}, false},
		{"./client/protocol", []string{"./client/..."}, true},
		{"./client/protocol", []string{"./client"}, false},
		{"./clients", []string{"./client/..."}, false},
	} {
		if got := selected(test.pkg, test.patterns); got != test.want {
			t.Errorf("selected(%q, %q) = %v, want %v", test.pkg, test.patterns, got, test.want)
		}
	}
}
