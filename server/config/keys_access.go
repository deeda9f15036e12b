package config

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
)

// DigestAlgorithms are the names that DigestAuthenticationProvider.digestAlg takes: the core's,
// and further names that Java has for SHA1.
func DigestAlgorithms() []string {
	return append(slices.Clone(core.DigestAlgorithms), "SHA-1", "SHA")
}

func accessKeys() []Key {
	return []Key{
		{Name: "skipACL", Place: Anywhere, Kind: KindYesNo, Default: "no",
			Meaning: "yes: nothing is protected, everybody may do everything. Unsafe.",
			set:     func(c *Config, v value) { c.SkipACL = v.yes }},
		{Name: "enableEagerACLCheck", Place: Anywhere, Kind: KindBool, Default: "false",
			Status: NoEffect, Fine: []string{"false"},
			Why:     "permissions are checked once, where a write is applied",
			Meaning: "Checks permissions of writes also before they are proposed."},
		{Name: "DigestAuthenticationProvider.enabled", Place: Anywhere, Kind: KindBool,
			Default: "true",
			Meaning: "false: clients cannot authenticate by the scheme digest.",
			set:     func(c *Config, v value) { c.DigestAuthDisabled = !v.yes }},
		{Name: "DigestAuthenticationProvider.superDigest", Place: Anywhere, Kind: KindSecret,
			Default: "none",
			Meaning: "super:<base64 of the hash of super:password>: who knows the password may " +
				"do everything. Without it nobody is above the ACLs.",
			set: func(c *Config, v value) { c.SuperDigest = Secret(v.text) }},
		{Name: "DigestAuthenticationProvider.digestAlg", Place: Anywhere, Kind: KindEnum,
			Enum: DigestAlgorithms(), Default: "SHA1",
			Meaning: "Hash of digest credentials; with another one the ACLs and the " +
				"superDigest made before do not match any more.",
			set: func(c *Config, v value) {
				c.DigestAlgorithm = v.text
				if v.text == "SHA-1" || v.text == "SHA" {
					c.DigestAlgorithm = "SHA1"
				}
			}},
		{Name: "IPAuthenticationProvider.usexforwardedfor", Place: Anywhere, Kind: KindBool,
			Default: "false", Status: NoEffect, Fine: []string{"false"}, Why: whyNoAdmin,
			Meaning: "Lets the admin server believe X-Forwarded-For."},
		{Name: "X509AuthenticationProvider.superUser", Place: Anywhere, Kind: KindString,
			Default: "none", Status: Refused, Why: whyNoTLS,
			Remedy:  "remove it, and use DigestAuthenticationProvider.superDigest",
			Meaning: "Name in the certificate of who may do everything."},
		{Name: "superUser", Place: Anywhere, Kind: KindString, Default: "none", Status: NoEffect,
			Why: whyNoSuper, Meaning: "SASL user who may do everything."},
		{Name: "superUser.*", Place: Anywhere, Kind: KindString, Default: "none", Status: NoEffect,
			Why: whyNoSuper, Meaning: "Further SASL users who may do everything."},
		{Name: "authProvider", Place: Anywhere, Kind: KindString, Default: "none",
			Status: Refused, Fine: builtInProviders(), Why: whyNoProvider, Remedy: remedyProvider,
			Meaning: "Java class of a further way to authenticate."},
		{Name: "authProvider.*", Place: Anywhere, Kind: KindString, Default: "none",
			Status: Refused, Fine: builtInProviders(), Why: whyNoProvider, Remedy: remedyProvider,
			Meaning: "Java class of a further way to authenticate; any suffix."},
		{Name: "ensembleAuthName", Place: Anywhere, Kind: KindList, Default: "none",
			Status: NoEffect, Why: "the scheme ensemble is not there",
			Meaning: "Names that a client may give to be sure that it is connected to its " +
				"ensemble."},
		{Name: "enforce.auth.enabled", Place: Anywhere, Kind: KindBool, Default: "false",
			Status: Refused, Fine: []string{"false"},
			Why:     "sessions cannot be made to authenticate yet, and it would let everybody in",
			Remedy:  "remove it or write false, and protect znodes by ACLs",
			Meaning: "Only clients that authenticated may do anything."},
		{Name: "enforce.auth.schemes", Place: Anywhere, Kind: KindList, Default: "none",
			Status: NoEffect, Why: "it only counts together with enforce.auth.enabled=true",
			Meaning: "Schemes of which a client must have used one."},
		{Name: "sessionRequireClientSASLAuth", Place: Anywhere, Kind: KindBool, Default: "false",
			Status: Refused, Fine: []string{"false"},
			Why:     whyNoSASL + ", and it would let everybody in",
			Remedy:  "remove it or write false, and protect znodes by ACLs",
			Meaning: "Only clients that authenticated by SASL may do anything."},
	}
}

func builtInProviders() []string {
	return []string{
		"org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
		"org.apache.zookeeper.server.auth.IPAuthenticationProvider",
	}
}

const (
	whyNoSASL     = "SASL is not there yet"
	whyNoSuper    = "SASL is not there yet, so nobody can be this user and nobody gets the rights"
	whyNoProvider = "only world, ip, digest and super are there; SASL, x509 and classes of one's " +
		"own are not"
	remedyProvider = "remove the line; znodes whose ACLs name that scheme stay closed to all " +
		"but super"
)

const saslText = "SASL is not there yet. What would force clients or servers to authenticate by " +
	"it is refused; the rest is accepted without effect: nobody authenticates, nobody gets rights."

func saslKeys() []Key {
	quiet := func(name string, place Place, kind Kind, def, meaning string, fine ...string) Key {
		return Key{Name: name, Place: place, Kind: kind, Default: def, Fine: fine,
			Status: NoEffect, Why: whyNoSASL, Meaning: meaning}
	}
	must := func(name, meaning string) Key {
		return Key{Name: name, Place: InFile, Kind: KindBool, Default: "false",
			Fine: []string{"false"}, Status: Refused,
			Why:    "servers cannot authenticate each other by SASL, and it would let any in",
			Remedy: "remove it or write false", Meaning: meaning}
	}
	return []Key{
		must("quorum.auth.enableSasl", "Servers authenticate each other by SASL."),
		must("quorum.auth.serverRequireSasl", "A server takes no other server without SASL."),
		must("quorum.auth.learnerRequireSasl", "A server connects to no other one without SASL."),
		quiet("quorum.auth.learner.saslLoginContext", InFile, KindString, "QuorumLearner",
			"Section of the JAAS file for a connecting server."),
		quiet("quorum.auth.server.saslLoginContext", InFile, KindString, "QuorumServer",
			"Section of the JAAS file for an accepting server."),
		quiet("quorum.auth.kerberos.servicePrincipal", InFile, KindString, "zkquorum/localhost",
			"Kerberos name of the servers."),
		{Name: "quorum.cnxn.threads.size", Kind: KindInt, Default: "20", Status: NoEffect,
			Why: whyTuned, Meaning: "Threads that authenticate other servers."},
		quiet("allowSaslFailedClients", Anywhere, KindBool, "false",
			"Lets clients on whose SASL failed.", "false"),
		{Name: "SASLAuthenticationProvider.superPassword", Place: Anywhere, Kind: KindSecret,
			Default: "none", Status: NoEffect, Why: whyNoSASL,
			Meaning: "Password of the SASL user super."},
		quiet("kerberos.removeHostFromPrincipal", Anywhere, KindBool, "false",
			"Drops the host from a Kerberos name.", "false"),
		quiet("kerberos.removeRealmFromPrincipal", Anywhere, KindBool, "false",
			"Drops the realm from a Kerberos name.", "false"),
		quiet("kerberos.canonicalizeHostNames", Anywhere, KindBool, "false",
			"Takes canonical host names for the Kerberos names of servers.", "false"),
		quiet("kerberos.minReLoginTimeMs", Anywhere, KindInt, "60000",
			"Least time between two log-ins by Kerberos."),
		quiet("kinit", Anywhere, KindPath, "/usr/bin/kinit", "Program that renews tickets."),
		quiet("requireKerberosConfig", Anywhere, KindBool, "false",
			"Wants a Kerberos configuration at the start.", "false"),
		quiet("letAnySaslUserDoX", Anywhere, KindString, "none",
			"Lets any SASL user use ACLs of this one."),
		quiet("security.auth_to_local", Anywhere, KindString, "DEFAULT",
			"Rules from Kerberos names to user names."),
		quiet("sasl.serverconfig", Anywhere, KindString, "Server",
			"Section of the JAAS file for clients."),
		quiet("server.principal", Anywhere, KindString, "none", "Kerberos name of the server."),
		quiet("server.realm", Anywhere, KindString, "the client's",
			"Kerberos realm of the server."),
	}
}

const tlsText = "TLS is not there yet. A key that asks for it is refused: a connection that was " +
	"meant to be encrypted must not be plain without a word."

const (
	whyNoTLS       = "TLS is not there yet"
	remedyTLS      = "remove the line"
	remedyTLSFront = "remove the line, and let a proxy in front (stunnel, HAProxy, Envoy) end TLS"
)

func tlsKeys() []Key {
	keys := []Key{
		tlsFlag("sslQuorum", InFile, "Encrypts what servers say to each other."),
		tlsFlag("portUnification", InFile, "Lets servers with and without TLS use one port."),
		tlsFlag("client.portUnification", Anywhere, "Takes TLS on the client port as well."),
		{Name: "sslQuorumReloadCertFiles", Kind: KindBool, Default: "false", Status: NoEffect,
			Fine: []string{"false"}, Why: whyNoTLS, Meaning: "Reads servers' certificates again."},
		{Name: "client.certReload", Place: Anywhere, Kind: KindBool, Default: "false",
			Status: NoEffect, Fine: []string{"false"}, Why: whyNoTLS,
			Meaning: "Reads the certificates for clients again when they change."},
		{Name: "fips-mode", Place: Anywhere, Kind: KindBool, Default: "true", Status: NoEffect,
			Why: whyNoTLS, Meaning: "Restricts TLS and SASL to what FIPS allows."},
		tlsKey("ssl.sslProvider", KindString, "JDK", "Java implementation of TLS."),
		tlsKey("ssl.authProvider", KindString, "x509", "Scheme for clients with certificates."),
	}
	for _, side := range []struct{ stem, who string }{
		{"ssl.", "clients"}, {"ssl.quorum.", "servers"},
	} {
		keys = append(keys, tlsSide(side.stem, side.who)...)
	}
	return keys
}

// tlsSide is the set of keys that exists once for clients and once for servers.
func tlsSide(stem, who string) []Key {
	clientHosts := "false"
	if stem == "ssl.quorum." {
		clientHosts = "true"
	}
	keys := []Key{
		tlsKey(stem+"protocol", KindString, "TLSv1.3", "Version of TLS towards "+who+"."),
		tlsKey(stem+"enabledProtocols", KindList, "TLSv1.3,TLSv1.2",
			"Versions allowed towards "+who+"."),
		tlsKey(stem+"ciphersuites", KindList, "Java's", "Ciphers allowed towards "+who+"."),
		tlsKey(stem+"hostnameVerification", KindBool, "true", "Checks host names of "+who+".",
			"true"),
		tlsKey(stem+"clientHostnameVerification", KindBool, clientHosts,
			"Checks the host names of connecting "+who+".", clientHosts),
		tlsKey(stem+"allowReverseDnsLookup", KindBool, "true", "Asks DNS for names of "+who+".",
			"true", "false"),
		tlsKey(stem+"crl", KindBool, "false", "Asks for revoked certificates of "+who+".", "false"),
		tlsKey(stem+"ocsp", KindBool, "false", "Asks OCSP about certificates of "+who+".", "false"),
		tlsKey(stem+"clientAuth", KindEnum, "need", "Wants certificates from "+who+".", "none"),
		tlsKey(stem+"handshakeDetectionTimeoutMillis", KindInt, "5000",
			"How long to wait for the first bytes of "+who+"."),
		tlsKey(stem+"context.supplier.class", KindString, "none",
			"Java class that sets TLS up for "+who+"."),
	}
	keys[8].Enum = []string{"need", "want", "none"}
	for _, store := range []struct{ name, what string }{
		{"keyStore", "Own certificates towards " + who},
		{"trustStore", "Authorities that vouch for " + who},
	} {
		keys = append(keys,
			tlsKey(stem+store.name+".location", KindPath, "none", store.what+": file."),
			tlsKey(stem+store.name+".password", KindSecret, "none", store.what+": password."),
			tlsKey(stem+store.name+".passwordPath", KindPath, "none",
				store.what+": file with the password."),
			tlsKey(stem+store.name+".type", KindString, "by the file's name",
				store.what+": JKS, PEM, PKCS12 or BCFKS."))
	}
	return keys
}

func tlsKey(name string, kind Kind, def, meaning string, fine ...string) Key {
	return Key{Name: name, Place: Anywhere, Kind: kind, Default: def, Meaning: meaning,
		Status: Refused, Fine: fine, Why: whyNoTLS, Remedy: remedyTLS}
}

func tlsFlag(name string, place Place, meaning string) Key {
	return Key{Name: name, Place: place, Kind: KindBool, Default: "false", Meaning: meaning,
		Status: Refused, Fine: []string{"false"}, Why: whyNoTLS, Remedy: "remove it or write false"}
}
