package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/magiconair/properties"
)

// setting is one name and value with its place.
type setting struct {
	key, value string
	where      Where
}

// maxFileBytes bounds a configuration file: it is written by hand.
const maxFileBytes = 1 << 20

// parseProperties reads the syntax of java.util.Properties: ISO 8859-1, several separators,
// escapes, lines that continue. It keeps the order and every repetition, since the last one
// counts and the others are worth a word. Faults name the line, never its text.
//
// The library splits and unescapes one logical line at a time. Given the whole file it would
// lose the line numbers, end a continued line at the LF of a CRLF, and keep a line's end inside
// a continued key.
func parseProperties(file string, text []byte) ([]setting, Faults) {
	var settings []setting
	var faults Faults
	if len(text) > maxFileBytes {
		problem := fmt.Sprintf("%d bytes are too long for a configuration, the limit is %d",
			len(text), maxFileBytes)
		return nil, Faults{{Where: Where{File: file}, Problem: problem}}
	}
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	for _, line := range logicalLines(text) {
		where := Where{File: file, Line: line.number}
		if line.text[0] == '=' || line.text[0] == ':' {
			faults = append(faults, Fault{Where: where, Problem: "a value without a key"})
			continue
		}
		p, err := loader.LoadBytes(line.text)
		if err != nil || p.Len() != 1 {
			// The library's text would quote the line, and the line may hold a password.
			faults = append(faults, Fault{Where: where, Problem: "malformed line",
				Remedy: `write key=value; \ begins an escape, \u wants four hexadecimal digits`})
			continue
		}
		key := p.Keys()[0]
		value, _ := p.Get(key)
		settings = append(settings, setting{
			// ZooKeeper trims both (QuorumPeerConfig.parseProperties).
			key: strings.TrimSpace(key), value: strings.TrimSpace(value), where: where,
		})
	}
	return settings, faults
}

type logicalLine struct {
	number int
	text   []byte
}

// logicalLines joins lines that end in an odd number of backslashes with the next one, less its
// leading blanks, and drops blank lines and comments. No line is empty or begins with a blank.
func logicalLines(text []byte) []logicalLine {
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	var lines []logicalLine
	var open *logicalLine
	for i, raw := range bytes.Split(text, []byte("\n")) {
		raw = bytes.TrimLeft(raw, " \t\f")
		if open == nil {
			if len(raw) == 0 || raw[0] == '#' || raw[0] == '!' {
				continue
			}
			open = &logicalLine{number: i + 1}
		}
		more := continues(raw)
		if more {
			raw = raw[:len(raw)-1]
		}
		open.text = append(open.text, raw...)
		if !more {
			lines = appendLine(lines, open)
			open = nil
		}
	}
	if open != nil {
		lines = appendLine(lines, open)
	}
	return lines
}

func appendLine(lines []logicalLine, line *logicalLine) []logicalLine {
	if len(line.text) == 0 {
		return lines
	}
	return append(lines, *line)
}

func continues(line []byte) bool {
	backslashes := len(line) - len(bytes.TrimRight(line, `\`))
	return backslashes%2 == 1
}
