package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/vivariumdb/vivarium/client"
)

// exampleServers starts a server for an example; a program has the addresses of its own.
func exampleServers() (servers string, stop func()) {
	address, stop, err := newFake().listen()
	if err != nil {
		log.Fatal(err)
	}
	return address, stop
}

func Example() {
	servers, stop := exampleServers()
	defer stop()
	ctx := context.Background()

	c, err := client.Dial(ctx, client.Options{Servers: servers})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	path, err := c.Create(ctx, "/greeting", []byte("hello"), client.Persistent, nil)
	if err != nil {
		log.Fatal(err)
	}
	data, stat, err := c.Get(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s = %s, version %d\n", path, data, stat.Version)
	// Output:
	// /greeting = hello, version 0
}

// A version makes a change depend on nobody else having made one.
func ExampleClient_Set() {
	servers, stop := exampleServers()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Options{Servers: servers})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	if _, err := c.Create(ctx, "/counter", []byte("1"), client.Persistent, nil); err != nil {
		log.Fatal(err)
	}
	_, seen, err := c.Get(ctx, "/counter")
	if err != nil {
		log.Fatal(err)
	}
	for _, value := range []string{"2", "3"} {
		_, err := c.Set(ctx, "/counter", []byte(value), seen.Version)
		switch {
		case errors.Is(err, client.ErrBadVersion):
			fmt.Println(value, "is too late")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(value, "is set")
		}
	}
	// Output:
	// 2 is set
	// 3 is too late
}

// A one-shot watch tells of the first change after the read that set it.
func ExampleClient_GetW() {
	servers, stop := exampleServers()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Options{Servers: servers})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	if _, err := c.Create(ctx, "/setting", []byte("on"), client.Persistent, nil); err != nil {
		log.Fatal(err)
	}
	data, _, watch, err := c.GetW(ctx, "/setting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", data)
	if _, err := c.Set(ctx, "/setting", []byte("off"), client.AnyVersion); err != nil {
		log.Fatal(err)
	}
	for event := range watch.Events {
		fmt.Println(event.Type, event.Path)
	}
	// Output:
	// on
	// NodeDataChanged /setting
}

// A persistent watch on a tree sees all its changes.
func ExampleClient_AddWatch() {
	servers, stop := exampleServers()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Options{Servers: servers})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	watch, err := c.AddWatch(ctx, "/", client.WatchTree)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/a", "/a/b"} {
		if _, err := c.Create(ctx, path, nil, client.Persistent, nil); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		event := <-watch.Events
		fmt.Println(event.Type, event.Path)
	}
	watch.Close()
	// Output:
	// NodeCreated /a
	// NodeCreated /a/b
}

// Either all operations of a Multi take effect or none.
func ExampleClient_Multi() {
	servers, stop := exampleServers()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Options{Servers: servers})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, err = c.Multi(ctx,
		client.CheckOp("/no-such-node", client.AnyVersion),
		client.CreateOp("/a", nil, client.Persistent, nil))
	fmt.Println(err)
	_, exists, _ := c.Exists(ctx, "/a")
	fmt.Println(exists)
	// Output:
	// multi /no-such-node: node does not exist
	// false
}
