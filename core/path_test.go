package core

import "testing"

func TestValidPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/a": true, "/a/b": true, "/a.b": true, "/..a": true, "/a..": true, "/...": true,
		"/.a": true, "/a b": true, "/é": true, "/世界": true, "/a/...b/c": true, "/\ufeff": true,
		"/\u00a0": true, "/\ud7ff": true, "/\uf900": true, "/\uffef": true, "/~": true,
		"": false, "a": false, "//": false, "/a/": false, "/a//b": false, "/.": false, "/..": false,
		"/a/.": false, "/a/./b": false, "/a/../b": false, "/\x00": false, "/a\x01": false,
		"/\x1f": false, "/\x7f": false, "/\u0080": false, "/\u009f": false, "/\ue000": false,
		"/\uf8ff": false, "/\ufff0": false, "/\ufffd": false, "/\uffff": false, "/😀": false,
		"/\xff": false, "/\xed\xa0\x80": false, "/\xed\xa0\xbd\xed\xb8\x80": false, "/\xc3": false,
	} {
		if got := validPath(path); got != want {
			t.Errorf("validPath(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestLookup(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.create("/a", "", 0))
	must(t, c.create("/a/b", "", 0))
	for path, want := range map[string]string{
		"": "/", "/": "/", "/a": "/a", "/a/b": "/a/b",
		"a": "", "//": "", "/a/": "", "//a": "", "/a//b": "", "/b": "", "/a/b/c": "", "a/b": "",
		"/a/b/": "", "/.": "", "/a/..": "", "\x00": "",
	} {
		got := ""
		if n := m.s.lookup(path); n != nil {
			got = n.path()
		}
		if got != want {
			t.Errorf("lookup(%q) = %q, want %q", path, got, want)
		}
	}
}
