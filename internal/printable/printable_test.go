package printable

import "testing"

func TestText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"/a/ä/木", "/a/ä/木"},
		{"/a\x1b[2Jb", `/a\x1b[2Jb`},
		{"/a\nb\tc", `/a\nb\tc`},
		{"/a\u202eb", `/a\u202eb`}, // which turns the direction of writing
		{"/a\u200bb", `/a\u200bb`}, // which nobody sees
		{"/a\x9bb\xff", `/a\x9bb\xff`},
		{"", ""},
	} {
		if got := Text(test.in); got != test.want {
			t.Errorf("Text(%q) is %q, want %q", test.in, got, test.want)
		}
	}
}

func TestLines(t *testing.T) {
	in, want := "panic:\n\tmain.go:7\r\n\x07", "panic:\n    main.go:7\\r\n\\a"
	if got := Lines(in); got != want {
		t.Errorf("Lines(%q) is %q, want %q", in, got, want)
	}
}
