// Package client is a client of Vivarium and of ZooKeeper 3.5 and later.
//
//	c, err := client.Dial(ctx, client.Options{Servers: "127.0.0.1:2181,127.0.0.1:2182/app"})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	path, err := c.Create(ctx, "/lock-", nil, client.EphemeralSequential, nil)
//
// A Client is one session. It lives over many connections: when one is lost the next server is
// tried, watches are set again and credentials shown again, without the caller's help. The
// session ends when it is closed, when the servers have not heard of it for its time-out
// (ErrSessionExpired) or when credentials are refused (ErrAuthFailed): then Done is closed, every
// call fails with Err, and a new Client is needed.
//
// # Calls
//
// Methods may be called from many goroutines. Requests take effect in the order in which they
// were handed in, and each method waits for its reply. A call made while no server is connected
// waits for one, as long as its context allows.
//
// A call whose connection is lost fails with ErrConnectionLoss. It may or may not have taken
// effect, and is never sent again: only the caller knows whether that would be right. The same
// holds for a call whose context ends before its reply.
//
// Outcomes are errors that errors.Is knows: ErrNoNode, ErrBadVersion and so on. The error itself
// is an *Error, which names operation and path.
//
// # Watches
//
// The methods whose names end in W leave a one-shot watch: its channel gives one event and is
// closed. AddWatch sets one that stays. A watch that nobody reads does not hold up the others: it
// ends with ErrWatchOverflow when its buffer is full.
//
// # Who owns what
//
// Data handed in is copied before a method returns. Data handed out belongs to the caller; it
// shares memory with the frame it came in, so a small name kept for long keeps its frame as well.
package client
