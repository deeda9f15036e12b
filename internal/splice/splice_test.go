package splice_test

import (
	"fmt"
	"io"
	"io/fs"
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

// The file is replaced as a whole: who has the old one open goes on reading it, and nothing else is
// left in the directory. Behind a link it is the file that is replaced.
func TestFileIsReplaced(t *testing.T) {
	const frame = "<!-- x: begin -->\n%s<!-- x: end -->\n"
	dir := t.TempDir()
	name, link := filepath.Join(dir, "doc.md"), filepath.Join(dir, "link.md")
	if err := os.WriteFile(name, fmt.Appendf(nil, frame, "old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("doc.md", link); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := splice.File(link, "x", "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != fmt.Sprintf(frame, "old\n") {
		t.Errorf("who had it open reads %q, %v", got, err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != fmt.Sprintf(frame, "new\n") {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if info, err := os.Lstat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v, want -rw-------", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}
