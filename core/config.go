package core

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// ServerID is N of a line server.N.
type ServerID int64

func (id ServerID) String() string { return "server." + strconv.FormatInt(int64(id), 10) }

// Server is one line of a configuration: who belongs to the ensemble, and where it is.
type Server struct {
	ID       ServerID
	Peer     string // host:port for the other members; an IPv6 host stands in brackets
	Election string // host:port, read and kept because ZooKeeper's configurations have it
	Client   string // host:port for clients; empty is not said
	Observer bool   // it has no vote
}

// Limits of a configuration. ZooKeeper has none; a State has to hold what it is told.
const (
	maxServers    = 64
	maxHostLength = 255
)

// errConfig is wrapped by every refusal of a configuration's text.
var errConfig = errors.New("bad configuration")

func badConfig(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errConfig, fmt.Sprintf(format, args...))
}

// ParseServer reads what stands behind server.N= in ZooKeeper's syntax:
// host:port:electionPort[:participant|observer][;[clientHost:]clientPort]. The strings of the
// result are its own. A host has no space of any kind in it, even in brackets: who reads what Text
// makes of it would take that for space around it.
func ParseServer(id ServerID, text string) (Server, error) {
	server, client, hasClient := strings.Cut(text, ";")
	s, err := parseServer(id, strings.TrimSpace(server), strings.TrimSpace(client), hasClient)
	if err == nil && strings.ContainsFunc(s.Peer+s.Client, unicode.IsSpace) {
		err = badConfig("%v=%q has space in a host", id, text)
	}
	return s, err
}

// readServer reads what Text wrote, to the letter: a State has to come back as it was, also one
// that took hosts which ParseServer refuses by now.
func readServer(id ServerID, text string) (Server, error) {
	server, client, hasClient := strings.Cut(text, ";")
	return parseServer(id, server, client, hasClient)
}

func parseServer(id ServerID, server, client string, hasClient bool) (Server, error) {
	s := Server{ID: id}
	parts, ok := splitAddress(server)
	if !ok || len(parts) < 3 || len(parts) > 4 || strings.Contains(client, ";") {
		text := server
		if hasClient {
			text += ";" + client
		}
		return s, badConfig("%v=%q is not host:port:port[:role][;[host:]port]", id, text)
	}
	if len(parts) == 4 {
		switch strings.ToLower(parts[3]) {
		case "observer":
			s.Observer = true
		case "participant":
		default:
			return s, badConfig("%v has the unknown role %q", id, parts[3])
		}
	}
	var err error
	if s.Peer, err = address(parts[0], parts[1]); err != nil {
		return s, fmt.Errorf("%v: %w", id, err)
	}
	if s.Election, err = address(parts[0], parts[2]); err != nil {
		return s, fmt.Errorf("%v: %w", id, err)
	}
	if !hasClient {
		return s, nil
	}
	parts, ok = splitAddress(client)
	switch {
	case ok && len(parts) == 1:
		parts = []string{"0.0.0.0", parts[0]}
	case !ok || len(parts) != 2:
		return s, badConfig("%v has the client address %q", id, client)
	}
	if s.Client, err = address(parts[0], parts[1]); err != nil {
		return s, fmt.Errorf("%v: %w", id, err)
	}
	return s, nil
}

// splitAddress splits at colons; a host in brackets keeps its own and loses the brackets.
func splitAddress(text string) (parts []string, ok bool) {
	if !strings.HasPrefix(text, "[") {
		return strings.Split(text, ":"), true
	}
	end := strings.IndexByte(text, ']')
	if end < 2 || end+1 == len(text) || text[end+1] != ':' {
		return nil, false
	}
	return append([]string{text[1:end]}, strings.Split(text[end+2:], ":")...), true
}

// address joins a host and a port.
func address(host, port string) (string, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", badConfig("port %q", port)
	}
	if host == "" || len(host) > maxHostLength || strings.ContainsAny(host, "/|,;= \t\r\n[]") {
		return "", badConfig("host %q", host)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.FormatUint(n, 10), nil
}

// Text is what stands behind server.N=, as ZooKeeper writes it.
func (s *Server) Text() string {
	_, election := cutPort(s.Election)
	role := ":participant"
	if s.Observer {
		role = ":observer"
	}
	text := s.Peer + ":" + election + role
	if s.Client != "" {
		text += ";" + s.Client
	}
	return text
}

func cutPort(address string) (host, port string) {
	i := strings.LastIndexByte(address, ':')
	return address[:i], address[i+1:]
}

// clashes says whether two servers claim one address. Wildcards are no address.
func (s *Server) clashes(other *Server) bool {
	for _, a := range [...]string{s.Peer, s.Election, s.Client} {
		if a == "" {
			continue
		}
		if host, _ := cutPort(a); host == "0.0.0.0" || host == "[::]" {
			continue
		}
		if a == other.Peer || a == other.Election || a == other.Client {
			return true
		}
	}
	return false
}

// appendConfig appends the text of a configuration as /zookeeper/config holds it.
func appendConfig(b []byte, servers []Server, version Zxid) []byte {
	for i := range servers {
		s := &servers[i]
		b = append(b, s.ID.String()...)
		b = append(append(append(b, '='), s.Text()...), '\n')
	}
	b = append(b, "version="...)
	return strconv.AppendUint(b, uint64(version), 16)
}

// parseConfig reads a whole configuration, whose lines newlines or commas divide.
func parseConfig(text string) ([]Server, error) {
	var servers []Server
	for line := range strings.FieldsFuncSeq(text, divides) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if ok && key == "version" {
			continue // it gets its own
		}
		s, err := parseServerLine(key, value, ok)
		if err != nil {
			return nil, err
		}
		servers = PutServer(servers, s)
	}
	return servers, checkServers(servers)
}

func divides(r rune) bool { return r == '\n' || r == ',' }

func parseServerLine(key, value string, ok bool) (Server, error) {
	name, found := strings.CutPrefix(key, "server.")
	n, err := strconv.ParseInt(name, 10, 64)
	if !ok || !found || err != nil || n < 0 {
		return Server{}, badConfig("the key %q", key)
	}
	return ParseServer(ServerID(n), value)
}

// PutServer returns a new list with s in its place, by id.
func PutServer(servers []Server, s Server) []Server {
	i, found := slices.BinarySearchFunc(servers, s.ID, func(a Server, id ServerID) int {
		return cmp.Compare(a.ID, id)
	})
	servers = slices.Clone(servers)
	if found {
		servers[i] = s
		return servers
	}
	return slices.Insert(servers, i, s)
}

func findServer(servers []Server, id ServerID) *Server {
	for i := range servers {
		if servers[i].ID == id {
			return &servers[i]
		}
	}
	return nil
}

// changeConfig returns servers without those that leave and with those that join, both divided
// by commas. Who joins names all its addresses.
func changeConfig(servers []Server, joining, leaving string) ([]Server, error) {
	servers = slices.Clone(servers)
	for text := range strings.FieldsFuncSeq(leaving, divides) {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, badConfig("%q leaves", text)
		}
		servers = slices.DeleteFunc(servers, func(s Server) bool { return s.ID == ServerID(n) })
	}
	for text := range strings.FieldsFuncSeq(joining, divides) {
		key, value, ok := strings.Cut(strings.TrimSpace(text), "=")
		s, err := parseServerLine(strings.TrimSpace(key), value, ok)
		switch {
		case err != nil:
			return nil, err
		case s.Client == "":
			return nil, badConfig("%v joins without an address for clients", s.ID)
		}
		servers = PutServer(servers, s)
	}
	return servers, checkServers(servers)
}

// checkServers refuses what can be no ensemble.
func checkServers(servers []Server) error {
	if len(servers) > maxServers {
		return badConfig("more than %d servers", maxServers)
	}
	if voters(servers) == 0 {
		return badConfig("nobody has a vote")
	}
	for i := range servers {
		for j := range i {
			if servers[i].clashes(&servers[j]) {
				return badConfig("%v and %v have the same address", servers[j].ID, servers[i].ID)
			}
		}
	}
	return nil
}

func voters(servers []Server) (n int) {
	for i := range servers {
		if !servers[i].Observer {
			n++
		}
	}
	return n
}
