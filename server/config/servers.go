package config

import (
	"net"
	"strconv"
	"strings"
)

// serverLine is a parsed server.N.
type serverLine struct {
	setting
	id       int64
	observer bool
	// clientAddress is host:port, "" if the line has none.
	clientAddress string
}

const serverForm = "not of the form host:peerPort:electionPort[:participant|observer]" +
	"[;[address:]clientPort]"

// takeServer parses a server.N line and keeps it, or records what is wrong with it.
func (l *loader) takeServer(s setting) {
	id, err := strconv.ParseInt(strings.TrimPrefix(s.key, "server."), 10, 64)
	if err != nil || id < 0 {
		l.fault(s, nil, "no number follows server.", "write server.1, server.2, ...")
		return
	}
	line, problem := parseServer(s.value)
	if problem != "" {
		l.fault(s, nil, problem, "")
		return
	}
	line.setting, line.id = s, id
	l.servers = append(l.servers, line)
}

// parseServer reads the value of server.N, as QuorumPeer.QuorumServer does.
func parseServer(text string) (line serverLine, problem string) {
	peers, client, hasClient := strings.Cut(text, ";")
	if hasClient {
		address, ok := parseClientAddress(strings.TrimSpace(client))
		if !ok {
			return line, serverForm
		}
		line.clientAddress = address
	}
	for _, peer := range strings.Split(peers, "|") {
		parts := splitHostPorts(strings.TrimSpace(peer))
		if len(parts) < 3 || len(parts) > 4 || checkHost(parts[0]) != nil {
			return line, serverForm
		}
		for _, port := range parts[1:3] {
			if !isPort(port) {
				return line, serverForm + ": " + strconv.Quote(port) + " is not a port"
			}
		}
		if parts[1] == parts[2] {
			return line, "peer port and election port must differ"
		}
		if len(parts) == 4 {
			switch strings.ToLower(strings.TrimSpace(parts[3])) {
			case "observer":
				line.observer = true
			case "participant":
			default:
				return line, "neither participant nor observer: " + strconv.Quote(parts[3])
			}
		}
	}
	return line, ""
}

func parseClientAddress(text string) (string, bool) {
	parts := splitHostPorts(text)
	host, port := "0.0.0.0", parts[len(parts)-1]
	if len(parts) == 2 {
		host = parts[0]
	}
	if len(parts) > 2 || !isPort(port) || checkHost(host) != nil {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

// splitHostPorts splits at colons, but not inside the brackets of an IPv6 address, which it
// takes off (ConfigUtils.getHostAndPort).
func splitHostPorts(text string) []string {
	if !strings.HasPrefix(text, "[") {
		return strings.Split(text, ":")
	}
	host, rest, ok := strings.Cut(text[1:], "]")
	if !ok {
		return []string{text}
	}
	if rest == "" {
		return []string{host}
	}
	return append([]string{host}, strings.Split(strings.TrimPrefix(rest, ":"), ":")...)
}
