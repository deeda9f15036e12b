package config

import (
	"io/fs"
	"strings"
	"testing"
)

// FuzzLoad wants Load to end without a panic, with a configuration or with faults, and never to
// show a secret.
func FuzzLoad(f *testing.F) {
	f.Add("dataDir=/d\nclientPort=2181\n", "-Xmx1g -Djute.maxbuffer=0x10", "zookeeper.skipACL=yes",
		"server.1=a:1:2;3", "1\n")
	f.Add("a\\\nb=\\u0041\ndynamicConfigFile=dyn\nserver.1=::", `-D"a b"='`, "=", "x=y", "-1")
	f.Add("tickTime=9999999999\nclientPortAddress=[\nautopurge.purgeInterval=\n", "-D", "",
		"server.9223372036854775808=[::1]:1:2|b", "")
	f.Fuzz(func(t *testing.T, file, flags, property, dynamic, myid string) {
		const secret = "x8Gq-never-shown"
		file = "ssl.keyStore.password=" + secret + "\nsuperUser=\n" + file
		files := map[string]string{"zoo.cfg": file, "dyn": dynamic, "/d/myid": myid}
		c, r, err := Load(Sources{
			File: "zoo.cfg", JVMFlags: flags,
			Properties: []string{property,
				"zookeeper.SASLAuthenticationProvider.superPassword=" + secret},
			ReadFile: func(name string) ([]byte, error) {
				if text, ok := files[name]; ok {
					return []byte(text), nil
				}
				return nil, fs.ErrNotExist
			},
		})
		if err == nil && c.Validate() != nil {
			t.Errorf("Load(%q) returns what Validate refuses: %v", file, c.Validate())
		}
		text := describe(c, r, err)
		if strings.Contains(text, secret) && !strings.Contains(flags+property+dynamic, secret) {
			t.Errorf("Load(%q) shows a secret:\n%s", file, text)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("Load(%q): an error without a text", file)
		}
	})
}
