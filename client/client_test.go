package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/client"
)

// inBubble runs a test with a fake and a client of it, on a clock of their own: whatever waits,
// waits no time.
func inBubble(t *testing.T, opts client.Options, test func(t *testing.T, f *fake,
	c *client.Client)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		opts.Servers, opts.DialServer = "a:1,b:2", f.dial
		c, err := client.Dial(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		test(t, f, c)
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		f.drop()
		f.wg.Wait()
	})
}

// await waits for a state.
func await(t *testing.T, c *client.Client, want client.State) {
	t.Helper()
	for {
		state, changed := c.State()
		if state == want {
			return
		}
		<-changed
	}
}

func TestReconnect(t *testing.T) {
	inBubble(t, client.Options{}, func(t *testing.T, f *fake, c *client.Client) {
		ctx := t.Context()
		create(t, c, "/a")
		create(t, c, "/b")
		_, _, changed, err := c.GetW(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		_, _, same, err := c.GetW(ctx, "/b")
		if err != nil {
			t.Fatal(err)
		}
		stays, err := c.AddWatch(ctx, "/b", client.WatchNode)
		if err != nil {
			t.Fatal(err)
		}
		id := c.SessionID()

		f.set(func(f *fake) { f.refuse = true })
		f.drop()
		await(t, c, client.Disconnected)
		f.set(func(f *fake) {
			f.zxid++
			f.tree["/a"].stat.Mzxid = f.zxid // by somebody else
			f.refuse = false
		})
		// A call made between connections waits for the next one.
		if _, err := c.Set(ctx, "/b", nil, 0); err != nil {
			t.Errorf("Set between connections: %v", err)
		}
		wantEvents(t, "changed meanwhile", changed, "NodeDataChanged /a", "")
		wantEvents(t, "changed afterwards", same, "NodeDataChanged /b", "")
		wantEvents(t, "persistent", stays, "None /b", "NodeDataChanged /b")
		if c.SessionID() != id {
			t.Errorf("session %x has become %x", id, c.SessionID())
		}
	})
}

func TestConnectionLoss(t *testing.T) {
	inBubble(t, client.Options{}, func(t *testing.T, f *fake, c *client.Client) {
		f.set(func(f *fake) { f.stalled = true })
		begin := time.Now()
		_, _, err := c.Get(t.Context(), "/")
		if !errors.Is(err, client.ErrConnectionLoss) {
			t.Errorf("Get from a silent server: %v, want %v", err, client.ErrConnectionLoss)
		}
		if waited := time.Since(begin); waited > 7*time.Second {
			t.Errorf("the server was given up after %v, want two thirds of 10 s", waited)
		}
		f.set(func(f *fake) { f.stalled = false })
		if _, _, err := c.Get(t.Context(), "/"); err != nil {
			t.Errorf("Get afterwards: %v", err)
		}
	})
}

func TestIdleSessionIsKept(t *testing.T) {
	inBubble(t, client.Options{}, func(t *testing.T, f *fake, c *client.Client) {
		before := 0
		f.set(func(f *fake) { before = f.requests })
		<-time.After(time.Minute)
		pings := 0
		f.set(func(f *fake) { pings = f.requests - before })
		if pings < 15 || pings > 20 {
			t.Errorf("%d pings in a minute, want one in a third of 10 s", pings)
		}
		if state, _ := c.State(); state != client.Connected {
			t.Errorf("state %v after a minute", state)
		}
	})
}

func TestSessionExpired(t *testing.T) {
	inBubble(t, client.Options{}, func(t *testing.T, f *fake, c *client.Client) {
		w, err := c.AddWatch(t.Context(), "/", client.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		f.expire()
		<-c.Done()
		if err := c.Err(); err != client.ErrSessionExpired {
			t.Errorf("Err() = %v, want %v", err, client.ErrSessionExpired)
		}
		_, _, err = c.Get(t.Context(), "/")
		if !errors.Is(err, client.ErrSessionExpired) {
			t.Errorf("Get: %v, want %v", err, client.ErrSessionExpired)
		}
		wantEvents(t, "watch", w, "")
		if err := w.Err(); err != client.ErrSessionExpired {
			t.Errorf("the watch ended with %v, want %v", err, client.ErrSessionExpired)
		}
		w.Close()
	})
}

func TestContextEnds(t *testing.T) {
	inBubble(t, client.Options{MaxRequests: 1}, func(t *testing.T, f *fake, c *client.Client) {
		create(t, c, "/a")
		f.set(func(f *fake) { f.stalled = true })
		for _, what := range []string{"waiting for its reply", "waiting for its turn"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _, w, err := c.GetW(ctx, "/a")
			if w != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("GetW %s: %v, %v, want %v", what, w, err, context.DeadlineExceeded)
			}
			cancel()
		}
		f.set(func(f *fake) { f.stalled, f.refuse = false, true })
		f.drop()
		await(t, c, client.Disconnected)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Set(ctx, "/a", nil, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Set without a server: %v, want %v", err, context.DeadlineExceeded)
		}
		// What its caller gave up before it was sent is not sent.
		f.set(func(f *fake) { f.refuse = false })
		await(t, c, client.Connected)
		if _, stat, err := c.Get(t.Context(), "/a"); err != nil || stat.Version != 0 {
			t.Errorf("Get = version %d, %v, want 0", stat.Version, err)
		}
	})
}

// A context that has ended before the call sends nothing, not even now and then.
func TestContextHasEnded(t *testing.T) {
	inBubble(t, client.Options{}, func(t *testing.T, f *fake, c *client.Client) {
		create(t, c, "/a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 64 {
			if _, err := c.Set(ctx, "/a", nil, client.AnyVersion); !errors.Is(err, ctx.Err()) {
				t.Errorf("Set = %v, want %v", err, ctx.Err())
			}
		}
		if _, stat, err := c.Get(t.Context(), "/a"); err != nil || stat.Version != 0 {
			t.Errorf("Get = version %d, %v, want 0", stat.Version, err)
		}
	})
}

// A watch that was asked for between connections has missed nothing: its buffer is for events.
func TestWatchOfTheNextConnection(t *testing.T) {
	inBubble(t, client.Options{WatchBuffer: 1}, func(t *testing.T, f *fake, c *client.Client) {
		f.set(func(f *fake) { f.refuse = true })
		f.drop()
		await(t, c, client.Disconnected)
		var setting sync.WaitGroup
		setting.Go(func() {
			w, err := c.AddWatch(t.Context(), "/", client.WatchTree)
			if err != nil {
				t.Error(err)
				return
			}
			create(t, c, "/a")
			wantEvents(t, "new watch", w, "NodeCreated /a")
			f.drop()
			wantEvents(t, "watch of old", w, "None /")
		})
		synctest.Wait()
		f.set(func(f *fake) { f.refuse = false })
		setting.Wait()
	})
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.refuse = true
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := client.Dial(ctx, client.Options{Servers: "a:1", DialServer: f.dial})
		if !errors.Is(err, context.DeadlineExceeded) ||
			!strings.Contains(err.Error(), "dial a:1: ") ||
			!strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("Dial = %v, want the deadline and what went wrong", err)
		}
	})
	// A dialler that hangs is told to stop.
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := client.Dial(ctx, client.Options{Servers: "a:1",
			DialServer: func(ctx context.Context, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

// A dialler that is told to stop says so, which is not why the attempt has failed.
func TestDialSaysWhyTheLastAttemptFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.Dial(ctx, client.Options{Servers: "a:1",
			DialServer: func(ctx context.Context, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, errors.New("told to stop")
			}})
		const want = "last attempt: a:1: no connection in time"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Dial = %v, want %q in it", err, want)
		}
	})
}

func TestCloseOfASilentServer(t *testing.T) {
	inBubble(t, client.Options{}, func(t *testing.T, f *fake, c *client.Client) {
		f.set(func(f *fake) { f.stalled = true })
		var both sync.WaitGroup
		both.Go(func() {
			if _, _, err := c.Get(t.Context(), "/"); !errors.Is(err, client.ErrConnectionLoss) {
				t.Errorf("Get = %v, want %v", err, client.ErrConnectionLoss)
			}
		})
		synctest.Wait()
		both.Go(func() { c.Close() })
		both.Wait()
		if err := c.Err(); err != client.ErrClosed {
			t.Errorf("Err() = %v, want %v", err, client.ErrClosed)
		}
		f.set(func(f *fake) { f.stalled = false })
	})
}

func TestWatchOverflow(t *testing.T) {
	inBubble(t, client.Options{WatchBuffer: 2}, func(t *testing.T, f *fake, c *client.Client) {
		slow, err := c.AddWatch(t.Context(), "/", client.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/a", "/b", "/c"} {
			create(t, c, path)
		}
		wantEvents(t, "slow", slow, "NodeCreated /a", "NodeCreated /b", "")
		if err := slow.Err(); err != client.ErrWatchOverflow {
			t.Errorf("the watch ended with %v, want %v", err, client.ErrWatchOverflow)
		}
	})
}

func TestManyCallers(t *testing.T) {
	opts := client.Options{MaxRequests: 8}
	inBubble(t, opts, func(t *testing.T, f *fake, c *client.Client) {
		create(t, c, "/a")
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				path := fmt.Sprintf("/a/%d", i)
				create(t, c, path)
				data, _, err := c.Get(t.Context(), path)
				if err != nil || string(data) != "of "+path {
					t.Errorf("Get(%s) = %q, %v", path, data, err)
				}
			})
		}
		all.Wait()
		if n, err := c.AllChildrenNumber(t.Context(), "/a"); err != nil || n != 40 {
			t.Errorf("AllChildrenNumber = %d, %v, want 40", n, err)
		}
	})
}

func TestTooLarge(t *testing.T) {
	opts := client.Options{MaxRequest: 1000}
	inBubble(t, opts, func(t *testing.T, f *fake, c *client.Client) {
		_, err := c.Set(t.Context(), "/", make([]byte, 1000), client.AnyVersion)
		if !errors.Is(err, client.ErrTooLarge) {
			t.Errorf("Set = %v, want %v", err, client.ErrTooLarge)
		}
	})
}

func TestParseServers(t *testing.T) {
	for _, test := range []struct {
		connect string
		servers []string
		chroot  string
		fault   string
	}{
		{"a", []string{"a:2181"}, "", ""},
		{"a:1, b:2,", []string{"a:1", "b:2"}, "", ""},
		{"a:1,b/app/x", []string{"a:1", "b:2181"}, "/app/x", ""},
		{"a:1/", []string{"a:1"}, "", ""},
		{"a:1/app/", []string{"a:1"}, "/app", ""},
		{"[::1]:5,[::2]", []string{"[::1]:5", "[::2]:2181"}, "", ""},
		{"::1", []string{"[::1]:2181"}, "", ""},
		{"", nil, "", "no host"},
		{"/app", nil, "", "no host"},
		{"a:", nil, "", "host or port missing in a:"},
		{":1", nil, "", "host or port missing in :1"},
		{"a//b", nil, "", "an empty name"},
	} {
		servers, chroot, err := client.ParseServers(test.connect)
		if diff := cmp.Diff(test.servers, servers); diff != "" || chroot != test.chroot {
			t.Errorf("ParseServers(%q) = %q, %q, want %q, %q", test.connect, servers, chroot,
				test.servers, test.chroot)
		}
		if (err == nil) != (test.fault == "") ||
			err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("ParseServers(%q): %v, want %q", test.connect, err, test.fault)
		}
	}
}

func TestValidateNamesAllFaults(t *testing.T) {
	_, err := client.Dial(t.Context(), client.Options{SessionTimeout: -1e9, MaxRequests: -1,
		MaxRequest: -1, WatchBuffer: -1})
	for _, want := range []string{"connect string", "session time-out -1s", "MaxRequests: -1",
		"MaxRequest: -1", "WatchBuffer: -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Dial = %v, want %q in it", err, want)
		}
	}
}
