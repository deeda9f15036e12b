package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// image is what a Dockerfile describes: a file system and how it is run.
type image struct {
	root        string // its file system, as a directory
	Env         []string
	User        string
	WorkingDir  string
	Volumes     []string
	Ports       []string
	StopSignal  string
	Entrypoint  []string
	Cmd         []string
	Healthcheck []string
}

// describedImage makes the image of the Dockerfile in a directory, with the files of the tree.
// Instructions that it does not know fail the test.
func describedImage(t *testing.T, tree string) *image {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	img := &image{root: filepath.Join(t.TempDir(), "root")}
	if err := os.Mkdir(img.root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, line := range instructions(string(text)) {
		word, rest, _ := strings.Cut(line, " ")
		if err := img.do(word, strings.TrimSpace(rest), tree); err != nil {
			t.Fatalf("Dockerfile: %s: %v", line, err)
		}
	}
	return img
}

// instructions joins lines that go on, and leaves out comments.
func instructions(text string) []string {
	var list []string
	joined := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		part, goesOn := strings.CutSuffix(line, "\\")
		joined += part
		if !goesOn && joined != "" {
			list = append(list, joined)
			joined = ""
		}
	}
	return list
}

func (img *image) do(word, rest, tree string) error {
	words := strings.Fields(rest)
	var err error
	switch word {
	case "FROM":
		if rest != "scratch" {
			err = fmt.Errorf("only scratch is known")
		}
	case "LABEL":
	case "ENV":
		img.Env = append(img.Env, words...)
	case "COPY":
		err = img.copy(words, tree)
	case "USER":
		img.User = rest
	case "WORKDIR":
		img.WorkingDir = rest
	case "VOLUME":
		err = json.Unmarshal([]byte(rest), &img.Volumes)
	case "EXPOSE":
		img.Ports = words
	case "STOPSIGNAL":
		img.StopSignal = rest
	case "HEALTHCHECK":
		_, command, _ := strings.Cut(rest, " CMD ")
		err = json.Unmarshal([]byte(command), &img.Healthcheck)
	case "ENTRYPOINT":
		err = json.Unmarshal([]byte(rest), &img.Entrypoint)
	case "CMD":
		err = json.Unmarshal([]byte(rest), &img.Cmd)
	default:
		err = fmt.Errorf("this instruction is not known here")
	}
	return err
}

// copy is COPY --chown=UID:GID DIRECTORY/ /
func (img *image) copy(words []string, tree string) error {
	if len(words) != 3 || words[2] != "/" {
		return fmt.Errorf("want --chown=UID:GID DIRECTORY/ /")
	}
	var uid, gid int
	if _, err := fmt.Sscanf(words[0], "--chown=%d:%d", &uid, &gid); err != nil {
		return err
	}
	from := filepath.Join(tree, words[1])
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(img.root, rel)
		if err := copyEntry(path, to, d); err != nil {
			return err
		}
		if os.Getuid() != 0 {
			return nil // everything is the user's own, who is 1000 in there
		}
		return os.Lchown(to, uid, gid)
	})
}

func copyEntry(from, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		return os.Mkdir(to, info.Mode().Perm())
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	return os.Link(from, to)
}

// ids are the user and the group that the image runs as.
func (img *image) ids() (uid, gid int, err error) {
	u, g, _ := strings.Cut(img.User, ":")
	if uid, err = strconv.Atoi(u); err == nil {
		gid, err = strconv.Atoi(g)
	}
	return uid, gid, err
}
