package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Kind is the type of a key's value.
type Kind int

// The kinds of values.
const (
	KindInt Kind = iota
	KindFloat
	// KindBool is true or false, KindYesNo is yes or no; neither takes the other's words, since
	// ZooKeeper silently reads those as the default. As there, yes and no are in lower case only:
	// to ZooKeeper forceSync=NO and skipACL=YES are the safe defaults.
	KindBool
	KindYesNo
	KindPath
	KindAddress
	KindEnum
	KindString
	KindList
	KindSecret
	// KindHours is a count of hours, or a number with a unit (ms, s, m, h, d).
	KindHours
	// KindServer is a line of the ensemble.
	KindServer
)

// String is the kind as the documentation names it.
func (k Kind) String() string {
	names := [...]string{"integer", "number", "true/false", "yes/no", "path", "address", "one of",
		"text", "list", "secret", "hours", "server"}
	if k < 0 || int(k) >= len(names) {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return names[k]
}

// value is a parsed value: the field that the kind names is set, and text always.
type value struct {
	text   string
	number int64
	yes    bool
	list   []string
}

// duration is the number in milliseconds as a duration.
func (v value) duration() time.Duration { return time.Duration(v.number) * time.Millisecond }

// parseValue reads text as the key's kind. The error says what is wrong and what is allowed.
func parseValue(k *Key, text string) (value, error) {
	v := value{text: text}
	switch k.Kind {
	case KindInt:
		return parseInt(k, v)
	case KindFloat:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return v, errors.New("not a number; allowed: a decimal number")
		}
	case KindBool:
		return parseWord(v, strings.ToLower(text), "true", "false")
	case KindYesNo:
		return parseWord(v, text, "yes", "no")
	case KindPath:
		if text == "" || strings.ContainsRune(text, 0) {
			return v, errors.New("not a path; allowed: the name of a file or directory")
		}
	case KindAddress:
		return v, checkHost(text)
	case KindEnum:
		for _, allowed := range k.Enum {
			if strings.EqualFold(text, allowed) {
				v.text = allowed
				return v, nil
			}
		}
		return v, fmt.Errorf("not known; allowed: %s", orList(k.Enum))
	case KindList:
		v.list = splitList(text)
	case KindHours:
		return v, checkHours(text)
	case KindString, KindSecret, KindServer:
	}
	return v, nil
}

func parseInt(k *Key, v value) (value, error) {
	low, high := k.bounds()
	allowed := "allowed: " + rangeText(low, high) + unitText(k.Unit)
	number, err := decodeInt(v.text, k.Place != InFile)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return v, errors.New("out of range; " + allowed)
	case err != nil:
		return v, errors.New("not an integer; " + allowed)
	case number < low || number > high:
		return v, errors.New("out of range; " + allowed)
	}
	v.number = number
	return v, nil
}

// decodeInt reads as Java does: a key of the file by Integer.parseInt, a property by
// Integer.decode, which also knows 0x, 0X and # for hexadecimal and a leading 0 for octal.
func decodeInt(text string, property bool) (int64, error) {
	sign, digits := "", text
	if rest, ok := strings.CutPrefix(digits, "-"); ok {
		sign, digits = "-", rest
	} else if rest, ok := strings.CutPrefix(digits, "+"); ok {
		digits = rest
	}
	base := 10
	if property {
		switch {
		case strings.HasPrefix(digits, "0x"), strings.HasPrefix(digits, "0X"):
			base, digits = 16, digits[2:]
		case strings.HasPrefix(digits, "#"):
			base, digits = 16, digits[1:]
		case strings.HasPrefix(digits, "0") && len(digits) > 1:
			base, digits = 8, digits[1:]
		}
	}
	if digits == "" || digits[0] == '-' || digits[0] == '+' {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(sign+digits, base, 64)
}

func parseWord(v value, word, yes, no string) (value, error) {
	switch word {
	case yes:
		v.yes = true
	case no:
	default:
		return v, fmt.Errorf("neither %s nor %s; allowed: %s, %s", yes, no, yes, no)
	}
	return v, nil
}

// checkHost accepts an IP address, also in brackets, or what may be a host's name. It does not
// resolve: that is for who listens.
func checkHost(text string) error {
	host := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if host == "" || strings.ContainsAny(host, " \t/;,|[]@\x00") ||
		strings.Contains(host, ":") && net.ParseIP(strings.SplitN(host, "%", 2)[0]) == nil {
		return errors.New("not an address; allowed: an IP address or a host name, without a port")
	}
	return nil
}

func checkHours(text string) error {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	_, err := strconv.ParseInt(digits, 10, 32)
	switch unit := text[len(digits):]; unit {
	case "", "ms", "s", "m", "h", "d":
	default:
		err = strconv.ErrSyntax
	}
	if err != nil {
		return errors.New("not an interval; allowed: a number of hours, or a number with a unit " +
			"(ms, s, m, h, d)")
	}
	return nil
}

func splitList(text string) []string {
	var list []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

func rangeText(low, high int64) string {
	switch {
	case low == high:
		return strconv.FormatInt(low, 10)
	case low == math.MinInt32 && high == math.MaxInt32,
		low == math.MinInt64 && high == math.MaxInt64:
		return "an integer"
	case high == math.MaxInt32 || high == math.MaxInt64:
		return fmt.Sprintf("an integer of %d or more", low)
	}
	return fmt.Sprintf("an integer from %d to %d", low, high)
}

func unitText(unit string) string {
	if unit == "" {
		return ""
	}
	return " (" + unit + ")"
}

func orList(words []string) string {
	shown := make([]string, len(words))
	for i, w := range words {
		if shown[i] = w; w == "" {
			shown[i] = "nothing"
		}
	}
	return strings.Join(shown, ", ")
}
