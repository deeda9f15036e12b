package config

import (
	"fmt"
	"sort"
	"strings"
)

// jvmFlagsSource is the place that settings from the environment are said to come from.
const jvmFlagsSource = "SERVER_JVMFLAGS"

// parseJVMFlags takes the -Dname=value out of a text of flags for a Java machine, and names all
// other flags in one notice.
func parseJVMFlags(text string) ([]setting, []Notice, Faults) {
	where := Where{File: jvmFlagsSource}
	words, ok := splitWords(text)
	if !ok {
		return nil, nil, Faults{{Where: where, Problem: "a quotation mark is not closed"}}
	}
	var settings []setting
	var others []string
	for i := 0; i < len(words); i++ {
		word := words[i]
		if name, isProperty := strings.CutPrefix(word, "-D"); isProperty {
			settings = append(settings, propertySetting(name, where))
			continue
		}
		others = append(others, word)
		if flagsWithValue[word] {
			i++
		}
	}
	if len(others) == 0 {
		return settings, nil, nil
	}
	names := strings.Join(flagNames(others), " ")
	text = fmt.Sprintf("%s: no effect, this server needs no Java", names)
	return settings, []Notice{{Kind: JVMFlags, Where: where, Text: text}}, nil
}

// flagsWithValue take the next word as theirs.
var flagsWithValue = map[string]bool{
	"-cp": true, "-classpath": true, "--class-path": true, "-p": true, "--module-path": true,
	"--add-opens": true, "--add-exports": true, "--add-reads": true, "--add-modules": true,
	"--limit-modules": true, "--upgrade-module-path": true, "--patch-module": true,
}

// flagNames is each flag once, without its value, which may be a secret; words that are no flags
// at all are not shown.
func flagNames(flags []string) []string {
	seen := map[string]bool{}
	var names []string
	for _, flag := range flags {
		name, _, _ := strings.Cut(flag, "=")
		if !strings.HasPrefix(name, "-") {
			name = "(words that are no flags)"
		}
		if len(name) > maxShown {
			name = name[:maxShown] + "..."
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// propertySetting splits name=value; without "=" the value is empty, as in Java.
func propertySetting(text string, where Where) setting {
	name, value, _ := strings.Cut(text, "=")
	return setting{key: strings.TrimSpace(name), value: strings.TrimSpace(value), where: where}
}

// splitWords splits as a shell does: blanks separate, '...' keeps all, "..." keeps all but \" and
// \\, and elsewhere \ keeps the next character. It is false if a quotation mark is left open.
// There is no expansion of any kind.
func splitWords(text string) ([]string, bool) {
	var words []string
	var word strings.Builder
	inWord := false
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && i+1 < len(text) && escapes(quote, text[i+1]):
			i++
			word.WriteByte(text[i])
			inWord = true
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, quote == 0
}

func escapes(quote, next byte) bool {
	return quote == 0 || quote == '"' && (next == '"' || next == '\\')
}
