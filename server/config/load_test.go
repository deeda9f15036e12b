package config

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
)

// TestLoad runs the conversations in testdata/load. The commands:
//
//	file name=...     a file with the input as its text; ${SPACE} stands for a blank
//	property          -D, one per line
//	flags             the text of SERVER_JVMFLAGS
//	load [file=...]   load, and print what differs from Defaults, the notices and the faults
func TestLoad(t *testing.T) {
	datadriven.Walk(t, "testdata/load", func(t *testing.T, path string) {
		var files map[string]string
		var s Sources
		reset := func() {
			files = map[string]string{}
			s = Sources{ReadFile: func(name string) ([]byte, error) {
				if text, ok := files[name]; ok {
					return []byte(text), nil
				}
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}}
		}
		reset()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				var name string
				d.ScanArgs(t, "name", &name)
				files[name] = strings.ReplaceAll(d.Input, "${SPACE}", " ") + "\n"
			case "property":
				s.Properties = strings.Split(d.Input, "\n")
			case "flags":
				s.JVMFlags = d.Input
			case "load":
				d.MaybeScanArgs(t, "file", &s.File)
				text := describe(Load(s))
				reset()
				return text
			default:
				d.Fatalf(t, "no such command: %s", d.Cmd)
			}
			return ""
		})
	})
}

// describe prints what a person and a server learn from Load.
func describe(c *Config, r *Report, err error) string {
	var b strings.Builder
	for _, n := range r.Notices {
		fmt.Fprintf(&b, "notice (%s): %s\n", n.Kind, n)
	}
	if err != nil {
		return b.String() + err.Error() + "\n"
	}
	got, standard := reflect.ValueOf(*c), reflect.ValueOf(*Defaults())
	for i := range got.NumField() {
		value := got.Field(i).Interface()
		if !reflect.DeepEqual(value, standard.Field(i).Interface()) {
			fmt.Fprintf(&b, "%s: %v\n", got.Type().Field(i).Name, value)
		}
	}
	return b.String()
}

// TestEveryWorkingKeyLands sets each key that works to a value of its own and wants the Config
// to change: a key without a field must not say that it works.
func TestEveryWorkingKeyLands(t *testing.T) {
	// These have another effect than a field of their own.
	elsewhere := map[string]bool{"server.*": true, "dynamicConfigFile": true}
	for _, g := range Table() {
		for _, k := range g.Keys {
			if (k.set != nil) != (k.Status == Works) {
				t.Errorf("%s: status is %v, but set = nil is %t", k.Name, k.Status, k.set == nil)
			}
			if k.Status != Works || elsewhere[k.Name] {
				continue
			}
			text := unusual(k)
			if c := loadLine(t, k.Name+"="+text); cmp.Equal(c, loadLine(t, "")) {
				t.Errorf("%s=%s changes nothing in Config", k.Name, text)
			}
		}
	}
}

// TestUnlimited: 0 and -1 are no limit, as ZooKeeper takes everything that is not above 0.
func TestUnlimited(t *testing.T) {
	for text, want := range map[string]int{"-1": Unlimited, "0": Unlimited, "7": 7} {
		c := loadLine(t, "maxClientCnxns="+text+"\nmaxCnxns="+text)
		if c.MaxClientConns != want || c.MaxConns != want {
			t.Errorf("%s: %d connections of a client and %d in all, want %d", text,
				c.MaxClientConns, c.MaxConns, want)
		}
	}
}

// unusual is a value that is not the key's default.
func unusual(k Key) string {
	switch k.Kind {
	case KindBool, KindYesNo:
		yes, no := "true", "false"
		if k.Kind == KindYesNo {
			yes, no = "yes", "no"
		}
		if strings.HasPrefix(k.Default, yes) {
			return no
		}
		return yes
	case KindInt:
		return "7777"
	case KindEnum:
		return "SHA-512"
	case KindAddress:
		return "10.1.2.3"
	default:
		return "/mntr"
	}
}

func loadLine(t *testing.T, line string) *Config {
	t.Helper()
	text := "dataDir=/d\nclientPort=2181\n" + line + "\n"
	c, _, err := Load(Sources{File: "zoo.cfg", ReadFile: func(name string) ([]byte, error) {
		if name == "zoo.cfg" {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}})
	if err != nil {
		t.Fatalf("load %q: %v", line, err)
	}
	return c
}

// TestZeroConfig wants Defaults to be what the zero value becomes, and to be valid.
func TestZeroConfig(t *testing.T) {
	var c Config
	c.WithDefaults()
	if diff := cmp.Diff(Defaults(), &c); diff != "" {
		t.Errorf("zero Config with defaults: -Defaults +got\n%s", diff)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("Defaults().Validate() = %v", err)
	}
	loaded, report, err := Load(Sources{ReadFile: func(string) ([]byte, error) {
		return nil, fs.ErrNotExist
	}})
	if err != nil || len(report.Notices) != 0 {
		t.Errorf("Load of nothing: %v, notices %v", err, report.Notices)
	}
	if diff := cmp.Diff(Defaults(), loaded); diff != "" {
		t.Errorf("Load of nothing: -Defaults +got\n%s", diff)
	}
}

// TestValidate wants every fault of a hand-made Config, at once.
func TestValidate(t *testing.T) {
	c := Defaults()
	c.ClientAddress = "nowhere"
	c.MinSessionTimeout = c.MaxSessionTimeout + 1e6
	c.MaxBuffer = 5
	c.DigestAlgorithm = "ROT13"
	err := c.Validate()
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 4 {
		t.Fatalf("Validate() = %v, want four faults", err)
	}
	c = Defaults()
	if c.MaxBuffer = maxMaxBuffer + 1; c.Validate() == nil {
		t.Errorf("a request of %d bytes is allowed: no record of the log may hold it", c.MaxBuffer)
	}
}

// TestSecret wants no way of printing to show a secret.
func TestSecret(t *testing.T) {
	c := Config{SuperDigest: "super:hunter2="}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{c, &c, c.SuperDigest} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunter2") ||
				strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("Sprintf(%q) shows the secret: %s", verb, got)
			}
		}
	}
	if c.SuperDigest.Reveal() != "super:hunter2=" {
		t.Errorf("Reveal() = %q", c.SuperDigest.Reveal())
	}
}

// TestYesAndNo: to ZooKeeper forceSync=NO still syncs and skipACL=YES still asks ACLs, since it
// compares with the word in lower case. Here any other word is refused.
func TestYesAndNo(t *testing.T) {
	for _, test := range []struct {
		text string
		ok   bool
	}{{"forceSync=no", true}, {"skipACL=yes", true}, {"forceSync=NO", false},
		{"skipACL=YES", false}, {"skipACL=true", false}, {"readonlymode.enabled=TRUE", true}} {
		_, _, err := Load(Sources{File: "zoo.cfg", ReadFile: func(name string) ([]byte, error) {
			if name != "zoo.cfg" {
				return nil, fs.ErrNotExist
			}
			return []byte("dataDir=/data\nclientPort=2181\n" + test.text + "\n"), nil
		}})
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.text, err)
		}
	}
}
