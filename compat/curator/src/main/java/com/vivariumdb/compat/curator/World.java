package com.vivariumdb.compat.curator;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.utils.ZKPaths;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * What one scenario has at hand: a path of its own, clients, ways to break their connections and
 * to end their sessions, and checks. There is one deadline, that of the scenario; nothing waits
 * for a time of its own, and nothing is said about how long anything takes.
 */
final class World implements AutoCloseable {
    /** The session time-out of clients that are to live through everything. */
    private static final int LONG_MS = 10_000;
    /** That of clients whose connection is cut until the server gives them up. */
    private static final int SHORT_MS = 3_000;
    /** How long calls of an impatient client wait for a connection. */
    private static final int IMPATIENT_MS = 1_000;
    /** How often a condition is looked at. */
    private static final long EVERY_MS = 5;

    /** A client, and the cable between it and the server. */
    record Link(CuratorFramework client, Proxy cable) {}

    private final String server;
    private final CuratorFramework observer;
    private final String path;
    private final long deadline; // of System.nanoTime
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final Deque<AutoCloseable> open = new ArrayDeque<>(); // guarded by itself
    private final List<Proxy> proxies = new ArrayList<>(); // guarded by open
    private volatile int clients;

    World(String server, CuratorFramework observer, String path, long deadline) {
        this.server = server;
        this.observer = observer;
        this.path = path;
        this.deadline = deadline;
    }

    /** A client that nothing is done to, to look at the server with. */
    CuratorFramework observer() {
        return observer;
    }

    String server() {
        return server;
    }

    /** A path below this scenario's own znode. */
    String path(String name) {
        return path + "/" + name;
    }

    /** A connected client. */
    CuratorFramework client() throws Exception {
        return connect(server, LONG_MS, b -> {});
    }

    /** A connected client with other settings. */
    CuratorFramework client(Consumer<CuratorFrameworkFactory.Builder> settings) throws Exception {
        return connect(server, LONG_MS, settings);
    }

    /** A connected client whose connection can be cut, and whose session is lost soon after. */
    Link link() throws Exception {
        return link(SHORT_MS, b -> {});
    }

    /** A connected client whose session survives a connection that is mended at once. */
    Link lastingLink() throws Exception {
        return link(LONG_MS, b -> {});
    }

    /**
     * A lasting link whose client's calls fail long before its session can end: a client that waits
     * for a connection as long as its session lasts is told of either, whichever comes first.
     */
    Link impatientLink() throws Exception {
        return link(LONG_MS, b -> b.connectionTimeoutMs(IMPATIENT_MS));
    }

    private Link link(int sessionMs, Consumer<CuratorFrameworkFactory.Builder> settings)
            throws Exception {
        Proxy proxy = new Proxy(server, Flaw.NONE);
        synchronized (open) {
            proxies.add(proxy);
        }
        return new Link(connect(proxy.address(), sessionMs, settings), proxy);
    }

    private CuratorFramework connect(
            String address, int sessionMs, Consumer<CuratorFrameworkFactory.Builder> settings)
            throws Exception {
        CuratorFrameworkFactory.Builder b =
                CuratorFrameworkFactory.builder()
                        .connectString(address)
                        .sessionTimeoutMs(sessionMs)
                        .connectionTimeoutMs(LONG_MS)
                        .retryPolicy(new RetryNTimes(600, 50))
                        .threadFactory(daemons("curator"));
        settings.accept(b);
        CuratorFramework client = b.build();
        client.start();
        use(client);
        clients++;
        check(client.blockUntilConnected((int) leftMs(), TimeUnit.MILLISECONDS), "no connection");
        return client;
    }

    /** Closes c when the scenario is over, before what was there before it. */
    <T extends AutoCloseable> T use(T c) {
        synchronized (open) {
            open.push(c);
        }
        return c;
    }

    /**
     * Ends the client's session on the server, and returns when the server has done so: a second
     * connection takes the session over and closes it. The client learns of it from the server.
     */
    void expire(CuratorFramework client) throws Exception {
        ZooKeeper victim = client.getZookeeperClient().getZooKeeper();
        long id = victim.getSessionId();
        CompletableFuture<Void> connected = new CompletableFuture<>();
        ZooKeeper thief =
                new ZooKeeper(
                        server,
                        LONG_MS,
                        event -> {
                            switch (event.getState()) {
                                case SyncConnected -> connected.complete(null);
                                case Expired -> connected.completeExceptionally(
                                        new Failure("the session to end had ended before"));
                                default -> {}
                            }
                        },
                        id,
                        victim.getSessionPasswd());
        try {
            get(connected, "a second connection of the session");
            check(thief.getSessionId() == id, "the second connection got another session");
        } finally {
            thief.close();
        }
    }

    /** Ends the client's session as expire does, and returns when the client has another one. */
    void renew(CuratorFramework client) throws Exception {
        long old = session(client);
        expire(client);
        await("a new session", () -> session(client) != old && session(client) != 0);
    }

    /** The id of the client's session, 0 if it has none. */
    static long session(CuratorFramework client) throws Exception {
        return client.getZookeeperClient().getZooKeeper().getSessionId();
    }

    /** Starts work on a thread of its own. */
    <T> Future<T> go(Callable<T> work) {
        return threads.submit(work);
    }

    /** Starts n threads and waits for them all. */
    void together(int n, Together work) throws Exception {
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            int number = i;
            all.add(
                    go(
                            () -> {
                                work.run(number);
                                return null;
                            }));
        }
        for (Future<?> f : all) {
            get(f, "a thread's work");
        }
    }

    /** What each of several threads does; they are numbered from 0. */
    interface Together {
        void run(int number) throws Exception;
    }

    /** Waits for a result. */
    <T> T get(Future<T> future, String what) throws Exception {
        try {
            return future.get(leftMs(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new Failure("waited in vain for %s", what);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception cause) {
                throw cause;
            }
            throw e;
        }
    }

    /** Waits until a condition holds. */
    void await(String what, Callable<Boolean> condition) throws Exception {
        while (!condition.call()) {
            if (leftMs() == 0) {
                throw new Failure("waited in vain for %s", what);
            }
            TimeUnit.MILLISECONDS.sleep(EVERY_MS);
        }
    }

    /** Waits until something is as wanted, and otherwise says what it was at last. */
    <T> void awaitEqual(String what, T want, Callable<T> got) throws Exception {
        for (T last = got.call(); !Objects.equals(last, want); last = got.call()) {
            if (leftMs() == 0) {
                throw new Failure("%s: still %s, want %s", what, last, want);
            }
            TimeUnit.MILLISECONDS.sleep(EVERY_MS);
        }
    }

    /** What is left of the scenario's time. */
    long leftMs() {
        return Math.max(0, TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime()));
    }

    static void check(boolean ok, String format, Object... args) {
        if (!ok) {
            throw new Failure(format, args);
        }
    }

    static void equal(String what, Object got, Object want) {
        check(Objects.equals(got, want), "%s is %s, want %s", what, got, want);
    }

    /** Wants an exception of that class. */
    static <E extends Throwable> E thrown(Class<E> want, Callable<?> work) throws Exception {
        Object got;
        try {
            got = work.call();
        } catch (Exception e) {
            if (want.isInstance(e)) {
                return want.cast(e);
            }
            throw e;
        }
        throw new Failure("got %s, want %s", got, want.getSimpleName());
    }

    boolean exists(String path) throws Exception {
        return observer.checkExists().forPath(path) != null;
    }

    /** The Stat of a znode, which is to be there. */
    Stat stat(String path) throws Exception {
        Stat stat = observer.checkExists().forPath(path);
        check(stat != null, "no znode %s", path);
        return stat;
    }

    /** The data of a znode as text; null if there is none. */
    String text(String path) throws Exception {
        try {
            return text(observer.getData().forPath(path));
        } catch (org.apache.zookeeper.KeeperException.NoNodeException e) {
            return null;
        }
    }

    /** The session that an ephemeral belongs to; 0 if there is no such znode or it is none. */
    long owner(String path) throws Exception {
        Stat stat = observer.checkExists().forPath(path);
        return stat == null ? 0 : stat.getEphemeralOwner();
    }

    /** The names of a znode's children; empty if there is no such znode. */
    List<String> children(String path) throws Exception {
        try {
            return observer.getChildren().forPath(path);
        } catch (org.apache.zookeeper.KeeperException.NoNodeException e) {
            return List.of();
        }
    }

    static byte[] bytes(Object text) {
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] data) {
        return data == null ? null : new String(data, StandardCharsets.UTF_8);
    }

    /** Everything below a path, for messages. */
    private void ephemerals(String path, Collection<String> into) throws Exception {
        if (owner(path) != 0) {
            into.add(path);
        }
        for (String child : children(path)) {
            ephemerals(ZKPaths.makePath(path, child), into);
        }
    }

    /** Checks, when all clients have gone, that nothing ephemeral stays, and tidies up. */
    void conclude() throws Exception {
        awaitEqual(
                "ephemerals of closed clients",
                List.of(),
                () -> {
                    List<String> left = new ArrayList<>();
                    ephemerals(path, left);
                    return left;
                });
        if (exists(path)) {
            ZKPaths.deleteChildren(observer.getZookeeperClient().getZooKeeper(), path, true);
        }
    }

    /** Closes what the scenario opened, last first. */
    @Override
    public void close() {
        threads.shutdownNow();
        synchronized (open) {
            proxies.forEach(Proxy::mend);
            for (AutoCloseable c : open) {
                try {
                    c.close();
                } catch (Exception e) {
                    // The scenario closed it itself, which recipes take ill.
                }
            }
            open.clear();
            for (Proxy p : proxies) {
                try {
                    p.close();
                } catch (java.io.IOException e) {
                    // Nobody uses it any more.
                }
            }
        }
    }

    /** Threads that do not keep the program alive. */
    static java.util.concurrent.ThreadFactory daemons(String name) {
        return work -> {
            Thread t = new Thread(work, name);
            t.setDaemon(true);
            return t;
        };
    }

    static String trace(Thread t) {
        return Arrays.stream(t.getStackTrace())
                .filter(e -> e.getClassName().startsWith("com.vivariumdb"))
                .map(e -> e.getFileName() + ":" + e.getLineNumber())
                .findFirst()
                .orElse("somewhere");
    }
}
