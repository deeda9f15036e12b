package core

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// DigestAlgorithms are the names that Settings.DigestAlgorithm may have: those of
// zookeeper.DigestAuthenticationProvider.digestAlg.
var DigestAlgorithms = []string{"SHA1", "SHA-256", "SHA-512", "SHA3-256", "SHA3-512"}

// DigestID returns the id of scheme digest for credentials of the form user:password. The
// password leaves no trace: ids hold its hash. It panics on an algorithm that is not in
// DigestAlgorithms; the empty name is SHA1, ZooKeeper's default.
func DigestID(algorithm, credentials string) string {
	user, _, _ := strings.Cut(credentials, ":")
	var sum []byte
	switch algorithm {
	case "", "SHA1":
		h := sha1.Sum([]byte(credentials))
		sum = h[:]
	case "SHA-256":
		h := sha256.Sum256([]byte(credentials))
		sum = h[:]
	case "SHA-512":
		h := sha512.Sum512([]byte(credentials))
		sum = h[:]
	case "SHA3-256":
		h := sha3.Sum256([]byte(credentials))
		sum = h[:]
	case "SHA3-512":
		h := sha3.Sum512([]byte(credentials))
		sum = h[:]
	default:
		panic(fmt.Sprintf("core: digest algorithm %q is none of %q", algorithm, DigestAlgorithms))
	}
	return user + ":" + base64.StdEncoding.EncodeToString(sum)
}

// authenticate judges an auth packet. It returns the identities that the connection gains,
// or false: the client is told AuthFailed and disconnected.
func (s *Settings) authenticate(c *Conn, q *wire.AuthRequest) ([]wire.ID, bool) {
	switch q.Scheme {
	case "digest":
		if s.DigestDisabled || q.Auth == nil {
			return nil, false
		}
		id := DigestID(s.DigestAlgorithm, asUTF8(string(q.Auth)))
		ids := []wire.ID{{Scheme: "digest", ID: id}}
		if s.SuperDigest != "" && id == s.SuperDigest {
			ids = []wire.ID{{Scheme: "super"}, ids[0]}
		}
		return ids, true
	case "ip":
		if mutant.On("sessions-address-as-claimed") {
			return []wire.ID{{Scheme: "ip", ID: string(q.Auth)}}, true
		}
		return []wire.ID{{Scheme: "ip", ID: c.ip()}}, true
	}
	return nil, mutant.On("sessions-unknown-scheme-taken")
}
