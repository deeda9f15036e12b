// Drives go-zookeeper. Usage: gozk_drive FRONT CONTROL; it lives in a module of its own that
// requires github.com/go-zookeeper/zk v1.0.4.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-zookeeper/zk"
)

type quiet struct{}

func (quiet) Printf(string, ...any) {}

func main() {
	wires, err := net.Dial("tcp", os.Args[2])
	if err != nil {
		panic(err)
	}
	answers := bufio.NewReader(wires)
	step := func(name string, call func() error) {
		fmt.Fprintln(wires, name)
		_, _ = answers.ReadString('\n')
		if err := call(); err != nil {
			fmt.Println(name, err)
		}
	}
	var c *zk.Conn
	open := zk.WorldACL(zk.PermAll)
	session := make(chan struct{}, 10)
	step("step connect", func() (err error) {
		c, _, err = zk.Connect([]string{os.Args[1]}, 10*time.Second, zk.WithLogger(quiet{}),
			zk.WithEventCallback(func(e zk.Event) {
				if e.State == zk.StateHasSession {
					session <- struct{}{}
				}
			}))
		<-session
		return err
	})
	step("step auth", func() error { return c.AddAuth("digest", []byte("gopher:go")) })
	step("step create", func() error { _, err := c.Create("/g", []byte("go"), 0, open); return err })
	step("step ttl", func() error {
		_, err := c.CreateTTL("/g/t", nil, zk.FlagTTL|zk.FlagEphemeral, open, time.Hour)
		return err
	})
	step("step get", func() error { _, _, _, err := c.GetW("/g"); return err })
	step("step exists", func() error { _, _, _, err := c.ExistsW("/g/later"); return err })
	step("step children", func() error { _, _, _, err := c.ChildrenW("/g"); return err })
	step("step multi", func() error {
		_, err := c.Multi(&zk.CreateRequest{Path: "/g/m", Acl: open},
			&zk.SetDataRequest{Path: "/g/m", Data: []byte("m"), Version: -1},
			&zk.CheckVersionRequest{Path: "/g/m", Version: 1},
			&zk.DeleteRequest{Path: "/g/m", Version: -1})
		return err
	})
	step("step setacl", func() error { _, err := c.SetACL("/g", open, -1); return err })
	step("step getacl", func() error { _, _, err := c.GetACL("/g"); return err })
	step("step sync", func() error { _, err := c.Sync("/g"); return err })
	step("step reconfig", func() error {
		_, err := c.IncrementalReconfig(nil, []string{"9"}, -1)
		return err
	})
	step("step drop", func() error {
		fmt.Fprintln(wires, "drop")
		_, _ = answers.ReadString('\n')
		<-session
		_, _, err := c.Exists("/g") // the answer says that those to auth and setWatches are in
		return err
	})
	step("step delete", func() error { return c.Delete("/g/none", -1) })
	step("step close", func() error { c.Close(); return nil })
}
