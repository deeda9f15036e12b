package com.vivariumdb.compat.curator;

import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;

/** What happens to a client whose connection or session is lost, at the worst moments too. */
final class Connections {
    private static final Integer[] CREATES = {Frame.CREATE, Frame.CREATE2};

    private Connections() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("ConnectionState/interrupted-link", Connections::interrupted),
                new Scenario("ConnectionState/outlive", Connections::outlive),
                new Scenario("ConnectionState/expire", Connections::expire),
                new Scenario("ConnectionState/session-kept", Connections::kept),
                new Scenario("Protection/lost-reply", Connections::protectedCreate),
                new Scenario("Protection/unprotected", Connections::unprotectedCreate),
                new Scenario("Protection/background", Connections::protectedInBackground),
                new Scenario("Protection/outlive", Connections::protectedOutlived),
                new Scenario("Protection/lock", Connections::lockAfterLostReply),
                new Scenario("Idempotent/lost-reply", Connections::idempotent),
                new Scenario("GuaranteedDelete/lost-link", Connections::guaranteed));
    }

    /**
     * The states a client is told of from here on; CONNECTED comes once, first, and on a thread of
     * its own, so that a client that is connected may not have told of it yet.
     */
    private static ConcurrentLinkedQueue<ConnectionState> states(CuratorFramework c) {
        ConcurrentLinkedQueue<ConnectionState> told = new ConcurrentLinkedQueue<>();
        c.getConnectionStateListenable()
                .addListener(
                        (client, state) -> {
                            if (state != ConnectionState.CONNECTED) {
                                told.add(state);
                            }
                        });
        return told;
    }

    private static void told(
            World w, ConcurrentLinkedQueue<ConnectionState> states, ConnectionState... want)
            throws Exception {
        w.awaitEqual("states told", List.of(want), () -> List.copyOf(states));
    }

    /** A connection that is soon back: suspended, reconnected, in the same session. */
    private static void interrupted(World w) throws Exception {
        World.Link a = w.lastingLink();
        long session = World.session(a.client());
        String ephemeral = w.path("ephemeral");
        a.client().create().withMode(CreateMode.EPHEMERAL).forPath(ephemeral);
        var states = states(a.client());
        a.cable().cut();
        told(w, states, ConnectionState.SUSPENDED);
        a.cable().mend();
        told(w, states, ConnectionState.SUSPENDED, ConnectionState.RECONNECTED);
        World.equal("the session", World.session(a.client()), session);
        World.equal("the ephemeral's owner", w.owner(ephemeral), session);
    }

    /** A connection that is back too late: suspended, lost, reconnected, in a new session. */
    private static void outlive(World w) throws Exception {
        World.Link a = w.link();
        long session = World.session(a.client());
        String ephemeral = w.path("ephemeral");
        a.client().create().withMode(CreateMode.EPHEMERAL).forPath(ephemeral);
        var states = states(a.client());
        a.cable().cut();
        told(w, states, ConnectionState.SUSPENDED, ConnectionState.LOST);
        w.await("the server to end the session", () -> !w.exists(ephemeral));
        a.cable().mend();
        told(
                w,
                states,
                ConnectionState.SUSPENDED,
                ConnectionState.LOST,
                ConnectionState.RECONNECTED);
        World.check(World.session(a.client()) != session, "an ended session lives");
        a.client().create().withMode(CreateMode.EPHEMERAL).forPath(ephemeral);
        World.equal("the ephemeral's owner", w.owner(ephemeral), World.session(a.client()));
    }

    /** A session that ends while there is a connection. */
    private static void expire(World w) throws Exception {
        CuratorFramework a = w.client();
        var states = states(a);
        for (int round = 0; round < 2; round++) {
            w.renew(a);
            told(
                    w,
                    states,
                    ConnectionState.SUSPENDED,
                    ConnectionState.LOST,
                    ConnectionState.RECONNECTED);
            states.clear();
        }
    }

    /** A session that moves from connection to connection stays the same, with what it has. */
    private static void kept(World w) throws Exception {
        World.Link a = w.lastingLink();
        String ephemeral = w.path("ephemeral");
        a.client().create().withMode(CreateMode.EPHEMERAL).forPath(ephemeral);
        long session = World.session(a.client());
        for (int round = 0; round < 5; round++) {
            a.cable().interrupt();
            // Answered on the next connection.
            World.check(a.client().checkExists().forPath(ephemeral) != null, "it has gone");
            World.equal("the session", World.session(a.client()), session);
        }
        World.equal("the ephemeral's owner", w.owner(ephemeral), session);
    }

    private static void lostOnce(World.Link a) {
        World.equal("replies lost", a.cable().lost(), 1);
    }

    /** A protected create whose reply is lost is found again: there is one znode. */
    private static void protectedCreate(World w) throws Exception {
        World.Link a = w.lastingLink();
        w.observer().create().forPath(w.path("top"));
        for (CreateMode mode :
                List.of(CreateMode.EPHEMERAL_SEQUENTIAL, CreateMode.PERSISTENT_SEQUENTIAL)) {
            int before = w.children(w.path("top")).size();
            int lost = a.cable().lost();
            a.cable().loseReplyTo(CREATES);
            String made =
                    a.client()
                            .create()
                            .withProtection()
                            .withMode(mode)
                            .forPath(w.path("top/n-"), World.bytes("data"));
            World.equal("replies lost", a.cable().lost(), lost + 1);
            World.equal("znodes", w.children(w.path("top")).size(), before + 1);
            World.equal("its data", w.text(made), "data");
        }
    }

    /** The same without protection makes two: the loss is a real one. */
    private static void unprotectedCreate(World w) throws Exception {
        World.Link a = w.lastingLink();
        w.observer().create().forPath(w.path("top"));
        a.cable().loseReplyTo(CREATES);
        String made =
                a.client()
                        .create()
                        .withMode(CreateMode.EPHEMERAL_SEQUENTIAL)
                        .forPath(w.path("top/n-"));
        lostOnce(a);
        World.equal("the znode known of", made, w.path("top/n-0000000001"));
        World.equal("znodes", w.children(w.path("top")).size(), 2);
        a.cable().loseReplyTo(CREATES);
        World.thrown(
                KeeperException.NodeExistsException.class,
                () -> a.client().create().forPath(w.path("top/x")));
    }

    private static void protectedInBackground(World w) throws Exception {
        World.Link a = w.lastingLink();
        w.observer().create().forPath(w.path("top"));
        ConcurrentLinkedQueue<String> made = new ConcurrentLinkedQueue<>();
        a.cable().loseReplyTo(CREATES);
        a.client()
                .create()
                .withProtection()
                .withMode(CreateMode.EPHEMERAL_SEQUENTIAL)
                .inBackground((c, e) -> made.add(e.getResultCode() + " " + e.getName()))
                .forPath(w.path("top/n-"));
        w.await("the create's end", () -> !made.isEmpty());
        lostOnce(a);
        List<String> names = w.children(w.path("top"));
        World.equal("znodes", names.size(), 1);
        String name = w.path("top/" + names.get(0));
        World.equal("what it says it made", made.peek(), "0 " + name);
        World.equal("its owner", w.owner(name), World.session(a.client()));
    }

    /**
     * The connection breaks right after the create and is back when the session, and with it the
     * znode, has gone: another one is made, of the new session.
     */
    private static void protectedOutlived(World w) throws Exception {
        World.Link a = w.link();
        w.observer().create().forPath(w.path("top"));
        var states = states(a.client());
        a.client()
                .getConnectionStateListenable()
                .addListener((c, s) -> cutWhenSuspended(a, s), Runnable::run);
        a.cable().loseReplyTo(CREATES);
        Future<String> made =
                w.go(
                        () ->
                                a.client()
                                        .create()
                                        .withProtection()
                                        .withMode(CreateMode.EPHEMERAL_SEQUENTIAL)
                                        .forPath(w.path("top/n-")));
        w.await("the loss", () -> states.contains(ConnectionState.LOST));
        w.await("the znode to go", () -> w.children(w.path("top")).isEmpty());
        a.cable().mend();
        String path = w.get(made, "the create's end");
        World.equal("its owner", w.owner(path), World.session(a.client()));
        World.equal("znodes", w.children(w.path("top")).size(), 1);
    }

    private static void cutWhenSuspended(World.Link a, ConnectionState s) {
        if (s == ConnectionState.SUSPENDED) {
            a.cable().cut();
        }
    }

    /** A lock whose place was made, but not told of, is got and leaves no place behind. */
    private static void lockAfterLostReply(World w) throws Exception {
        World.Link a = w.lastingLink();
        CuratorFramework b = w.client();
        InterProcessMutex first = new InterProcessMutex(a.client(), w.path("lock"));
        first.acquire();
        first.release();
        a.cable().loseReplyTo(CREATES);
        first.acquire();
        lostOnce(a);
        World.equal("places", w.children(w.path("lock")).size(), 1);
        InterProcessMutex second = new InterProcessMutex(b, w.path("lock"));
        World.check(!second.acquire(0, TimeUnit.MILLISECONDS), "two hold the lock");
        a.cable().loseReplyTo(Frame.DELETE);
        first.release();
        World.equal("replies lost", a.cable().lost(), 2);
        World.check(second.acquire(w.leftMs(), TimeUnit.MILLISECONDS), "not released");
    }

    /** Idempotent requests whose reply is lost succeed; what was done before still fails. */
    private static void idempotent(World w) throws Exception {
        World.Link a = w.lastingLink();
        CuratorFramework c = a.client();
        String path = w.path("node");
        a.cable().loseReplyTo(CREATES);
        World.equal(
                "the path made",
                c.create().idempotent().forPath(path, World.bytes("1")),
                path);
        lostOnce(a);
        a.cable().loseReplyTo(Frame.SET_DATA);
        c.setData().idempotent().withVersion(0).forPath(path, World.bytes("2"));
        World.equal("replies lost", a.cable().lost(), 2);
        World.equal("the data", w.text(path), "2");
        World.equal("the version", w.observer().checkExists().forPath(path).getVersion(), 1);
        World.thrown(
                KeeperException.BadVersionException.class,
                () -> c.setData().idempotent().withVersion(0).forPath(path, World.bytes("3")));
        a.cable().loseReplyTo(Frame.DELETE);
        c.delete().idempotent().withVersion(1).forPath(path);
        World.equal("replies lost", a.cable().lost(), 3);
        World.check(!w.exists(path), "not deleted");
        a.cable().loseReplyTo(Frame.SET_DATA);
        c.create().forPath(path, World.bytes("1"));
        World.thrown(
                KeeperException.BadVersionException.class,
                () -> c.setData().withVersion(0).forPath(path, World.bytes("2")));
        World.equal("replies lost", a.cable().lost(), 4);
    }

    /** A guaranteed delete that fails is made when there is a connection again. */
    private static void guaranteed(World w) throws Exception {
        World.Link a = w.impatientLink();
        CuratorFramework c = a.client();
        String path = w.path("node");
        c.create().forPath(path);
        c.getZookeeperClient().setRetryPolicy(new org.apache.curator.retry.RetryNTimes(0, 0));
        var states = states(c);
        a.cable().cut();
        w.await("the loss", () -> states.contains(ConnectionState.SUSPENDED));
        World.thrown(
                KeeperException.ConnectionLossException.class,
                () -> c.delete().guaranteed().forPath(path));
        World.check(w.exists(path), "deleted without a connection");
        a.cable().mend();
        w.await("the znode to go", () -> !w.exists(path));
    }
}
