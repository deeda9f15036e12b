package config_test

import (
	"fmt"
	"io/fs"

	"github.com/vivariumdb/vivarium/server/config"
)

func ExampleLoad() {
	files := map[string]string{
		"zoo.cfg": "dataDir=/var/lib/zookeeper\nclientPort=2181\ntickTme=2000\nsslQuorum=maybe\n",
	}
	readFile := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	_, report, err := config.Load(config.Sources{File: "zoo.cfg", ReadFile: readFile})
	for _, notice := range report.Notices {
		fmt.Println(notice)
	}
	fmt.Println(err)
	// Output:
	// zoo.cfg:3: tickTme: no such key, no effect; the nearest is tickTime
	// configuration refused:
	//   zoo.cfg:4: sslQuorum = "maybe": refused: TLS is not there yet; remove it or write false
}
