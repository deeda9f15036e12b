package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rewrite is true with the flag -rewrite, which datadriven declares.
func rewrite() bool { return flag.Lookup("rewrite").Value.String() == "true" }

const documentFile = "../../docs/CONFIGURATION.md"

// TestDocument fails if docs/CONFIGURATION.md is not what the table says.
func TestDocument(t *testing.T) {
	want := document()
	if rewrite() {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(documentFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale (run go generate ./server/config): -table +file\n%s",
			documentFile, diff)
	}
}

// documentHead has @ for the back quote, which a raw string cannot hold.
const documentHead = `# Configuration

<!-- Generated from the table in server/config by: go generate ./server/config -->

Vivarium reads ZooKeeper's own configuration: @zoo.cfg@, the file named by @dynamicConfigFile@,
@myid@ in the data directory, @-D name=value@ on the command line and the environment variable
@SERVER_JVMFLAGS@. This page lists every key of ZooKeeper 3.9 and what this version does with it.

## How to read it

- **works**: the key does what it does in ZooKeeper.
- **no effect**: the key is accepted, and the log says once that and why it has none. Nothing is
  said if the value asks for what the server does anyway.
- **refused**: ignoring the key would weaken safety or security, so the server does not start, and
  says what to do instead. A value that asks for nothing (@sslQuorum=false@) is accepted.

A key that is in no table has no effect; the log names it once with the nearest known one. A wrong
value of a known key stops the start, whatever the key does. All faults are reported at once, with
file, line, key, value and what is allowed. @vivarium serve --config zoo.cfg --check@ stops
after that.

*Where* says where a key may stand:

- *file*: only in @zoo.cfg@.
- *file, -D*: in @zoo.cfg@ as it is, or as @-Dzookeeper.@ and the key.
- *-D, file*: a Java property without the prefix, such as @-Djute.maxbuffer=4194304@.
  ZooKeeper does not read it from @zoo.cfg@ at all; here it counts there as well.
- *file, dynamic*: in @zoo.cfg@ or in the file that @dynamicConfigFile@ names.

If a key is set twice: for *file, -D* the file counts before -D, as in ZooKeeper, where the file
sets the system properties last; for *-D, file* it is the other way round. -D counts before
@SERVER_JVMFLAGS@. In the same place the last one counts. The log says what did not count.

The syntax of the files is that of @java.util.Properties@: ISO 8859-1, @#@ and
@!@ begin comments, a backslash begins an escape or continues the line. Integers of
properties may be written 0x1F, #1F or 037, as in Java. true/false and yes/no are different things:
neither is taken for the other, and yes and no are written in lower case. Secrets appear in no
message.

Without a configuration file the server keeps its data in @./data@ and listens on
127.0.0.1:2181. With one, @dataDir@ and a client port are required, and without
@clientPortAddress@ it listens on all interfaces.
`

func document() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(documentHead, "@", "`"))
	for _, g := range Table() {
		fmt.Fprintf(&b, "\n## %s\n", g.Title)
		if g.Text != "" {
			fmt.Fprintf(&b, "\n%s\n", g.Text)
		}
		b.WriteString("\n| Key | Where | Value | Default | Status | Meaning |\n")
		b.WriteString("|---|---|---|---|---|---|\n")
		for _, k := range g.Keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", keyName(k), placeName(k.Place),
				cell(valueText(k)), cell(k.Default), k.Status, cell(meaningText(k)))
		}
	}
	return b.String()
}

func keyName(k Key) string {
	if k.Place == InDynamicFile {
		return strings.ReplaceAll(k.Name, "*", "N")
	}
	return k.Name
}

func placeName(p Place) string {
	return map[Place]string{InFile: "file", Anywhere: "file, -D", Unprefixed: "-D, file",
		InDynamicFile: "file, dynamic"}[p]
}

func valueText(k Key) string {
	text := k.Kind.String()
	switch k.Kind {
	case KindEnum:
		text += " " + orList(k.Enum)
	case KindInt:
		low, high := k.bounds()
		text = strings.TrimPrefix(rangeText(low, high), "an ") + unitText(k.Unit)
	default:
	}
	return text
}

func meaningText(k Key) string {
	text := k.Meaning
	switch k.Status {
	case NoEffect:
		text += " No effect: " + k.Why + "."
	case Refused:
		text += " Refused: " + k.Why + "; " + k.Remedy + "."
	case Works:
	}
	return text
}

func cell(text string) string { return strings.NewReplacer("|", `\|`, "*", `\*`).Replace(text) }
