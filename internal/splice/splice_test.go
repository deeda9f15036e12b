package splice_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vivariumdb/vivarium/internal/splice"
)

func TestFile(t *testing.T) {
	const begin, end = "<!-- x: begin -->\n", "<!-- x: end -->\n"
	for _, c := range []struct {
		name, old, want string
		fails           bool
	}{
		{name: "replaced", old: "a\n" + begin + "old\n" + end + "z\n",
			want: "a\n" + begin + "new\n" + end + "z\n"},
		{name: "empty before", old: begin + end, want: begin + "new\n" + end},
		{name: "no begin", old: "a\n" + end, fails: true},
		{name: "no end", old: "a\n" + begin + "z\n", fails: true},
		{name: "end first", old: end + begin, fails: true},
		{name: "other mark", old: "<!-- y: begin -->\n<!-- y: end -->\n", fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "doc.md")
			if err := os.WriteFile(file, []byte(c.old), 0o644); err != nil {
				t.Fatal(err)
			}
			if c.fails {
				c.want = c.old
			}
			err := splice.File(file, "x", "new\n")
			if (err != nil) != c.fails {
				t.Errorf("File(%q) = %v, want an error: %v", c.old, err, c.fails)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("%q became %q, want %q", c.old, got, c.want)
			}
		})
	}
	if err := splice.File(filepath.Join(t.TempDir(), "absent"), "x", ""); err == nil {
		t.Error("a file that is not there is no error")
	}
}
