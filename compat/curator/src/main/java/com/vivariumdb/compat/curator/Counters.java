package com.vivariumdb.compat.curator;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.CachedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicValue;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.shared.SharedValueListener;
import org.apache.curator.framework.recipes.shared.SharedValueReader;
import org.apache.curator.framework.recipes.shared.VersionedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;

/** Numbers and values that several clients change. */
final class Counters {
    private static final int THREADS = 4;
    private static final int ROUNDS = 10;
    /** Tries of an optimistic change: more than there are competitors' changes. */
    private static final RetryNTimes TRIES = new RetryNTimes(100, 1);
    private static final RetryNTimes NO_TRIES = new RetryNTimes(0, 0);

    private Counters() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("SharedCount/contend", Counters::countContend),
                new Scenario("SharedCount/interrupted-link", Counters::countLosesLink),
                new Scenario("SharedCount/outlive", Counters::countOutlive),
                new Scenario("SharedCount/expire", Counters::countExpire),
                new Scenario("SharedValue/contend", Counters::valueContend),
                new Scenario("SharedValue/failover", Counters::valueFailOver),
                new Scenario("SharedValue/expire", Counters::valueExpire),
                new Scenario("DistributedAtomicLong/contend", Counters::longContend),
                new Scenario("DistributedAtomicLong/promoted", Counters::longPromoted),
                new Scenario("DistributedAtomicLong/outlive", Counters::longOutlive),
                new Scenario("DistributedAtomicLong/expire", Counters::longExpire),
                new Scenario("DistributedAtomicInteger/contend", Counters::integerContend),
                new Scenario("DistributedAtomicValue/contend", Counters::valueCompareAndSet),
                new Scenario("CachedAtomicLong/contend", Counters::cached));
    }

    private static SharedCount count(World w, CuratorFramework c) throws Exception {
        SharedCount count = new SharedCount(c, w.path("count"), 0);
        count.start();
        return w.use(count);
    }

    /** Adds one, as often as it takes. */
    private static void add(World w, SharedCount count) throws Exception {
        while (true) {
            VersionedValue<Integer> now = count.getVersionedValue();
            if (count.trySetCount(now, now.getValue() + 1)) {
                return;
            }
            World.check(w.leftMs() > 0, "no time left to count");
        }
    }

    /** Four threads of two clients count; not one step is lost, and both clients learn. */
    private static void countContend(World w) throws Exception {
        SharedCount[] counts = {count(w, w.client()), count(w, w.client())};
        w.together(
                THREADS,
                i -> {
                    for (int round = 0; round < ROUNDS; round++) {
                        add(w, counts[i % 2]);
                    }
                });
        for (SharedCount c : counts) {
            w.awaitEqual("the count", THREADS * ROUNDS, c::getCount);
        }
        w.awaitEqual("changes", THREADS * ROUNDS, () -> version(w, "count"));
    }

    /** How often a znode was changed since its first value was set. */
    private static int version(World w, String name) throws Exception {
        // The first value is written by setData or create, depending on who came first.
        return w.observer().checkExists().forPath(w.path(name)).getVersion();
    }

    private static void countLosesLink(World w) throws Exception {
        World.Link a = w.lastingLink();
        SharedCount mine = count(w, a.client());
        catchUp(w, mine, () -> a.cable().cut(), () -> a.cable().mend());
    }

    private static void countOutlive(World w) throws Exception {
        World.Link a = w.link();
        SharedCount mine = count(w, a.client());
        long session = World.session(a.client());
        catchUp(
                w,
                mine,
                () -> {
                    String mark = w.path("mark");
                    a.client()
                            .create()
                            .withMode(org.apache.zookeeper.CreateMode.EPHEMERAL)
                            .forPath(mark);
                    a.cable().cut();
                    w.await("the session's end", () -> !w.exists(mark));
                },
                () -> a.cable().mend());
        World.check(World.session(a.client()) != session, "the session did not end");
    }

    private static void countExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        catchUp(w, count(w, a), () -> w.expire(a), () -> {});
    }

    /** What is done to a client. */
    private interface Deed {
        void run() throws Exception;
    }

    /** A count whose client was lost for a while has the others' changes afterwards. */
    private static void catchUp(World w, SharedCount mine, Deed lose, Deed back)
            throws Exception {
        AtomicReference<ConnectionState> state = new AtomicReference<>();
        AtomicReference<Integer> heard = new AtomicReference<>();
        mine.addListener(
                new SharedCountListener() {
                    @Override
                    public void countHasChanged(SharedCountReader reader, int now) {
                        heard.set(now);
                    }

                    @Override
                    public void stateChanged(CuratorFramework c, ConnectionState s) {
                        state.set(s);
                    }
                });
        SharedCount theirs = count(w, w.client());
        theirs.setCount(7);
        w.awaitEqual("the count heard of", 7, heard::get);
        lose.run();
        theirs.setCount(8);
        back.run();
        w.awaitEqual("the state", ConnectionState.RECONNECTED, state::get);
        w.awaitEqual("the count after the loss", 8, mine::getCount);
        theirs.setCount(9);
        w.awaitEqual("the count heard of", 9, heard::get);
        w.await("its own change", () -> mine.trySetCount(mine.getVersionedValue(), 10));
        w.awaitEqual("the other's count", 10, theirs::getCount);
    }

    private static SharedValue value(World w, CuratorFramework c) throws Exception {
        SharedValue value = new SharedValue(c, w.path("value"), World.bytes("first"));
        value.start();
        return w.use(value);
    }

    /** Of two changes of the same version one is made. */
    private static void valueContend(World w) throws Exception {
        SharedValue a = value(w, w.client());
        SharedValue b = value(w, w.client());
        for (int round = 0; round < ROUNDS; round++) {
            VersionedValue<byte[]> seen = a.getVersionedValue();
            int version = seen.getVersion();
            w.awaitEqual("the version", version, () -> b.getVersionedValue().getVersion());
            VersionedValue<byte[]> theirs = b.getVersionedValue();
            boolean[] won = new boolean[2];
            String[] wanted = {"a" + round, "b" + round};
            w.together(
                    2,
                    i -> {
                        SharedValue v = i == 0 ? a : b;
                        byte[] text = World.bytes(wanted[i]);
                        won[i] = v.trySetValue(i == 0 ? seen : theirs, text);
                    });
            World.check(won[0] != won[1], "changes made: %b and %b", won[0], won[1]);
            String want = won[0] ? wanted[0] : wanted[1];
            w.awaitEqual("the first's value", want, () -> World.text(a.getValue()));
            w.awaitEqual("the second's value", want, () -> World.text(b.getValue()));
        }
    }

    /** The value stays when its writer goes, and a new client finds it. */
    private static void valueFailOver(World w) throws Exception {
        CuratorFramework a = w.client();
        SharedValue b = value(w, w.client());
        AtomicReference<String> heard = new AtomicReference<>();
        b.getListenable()
                .addListener(
                        new SharedValueListener() {
                            @Override
                            public void valueHasChanged(SharedValueReader r, byte[] now) {
                                heard.set(World.text(now));
                            }

                            @Override
                            public void stateChanged(CuratorFramework c, ConnectionState s) {}
                        });
        value(w, a).setValue(World.bytes("second"));
        a.close();
        w.awaitEqual("the value heard of", "second", heard::get);
        SharedValue c = value(w, w.client());
        World.equal("a newcomer's value", World.text(c.getValue()), "second");
        c.setValue(World.bytes("third"));
        w.awaitEqual("the value heard of", "third", heard::get);
    }

    private static void valueExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        SharedValue mine = value(w, a);
        SharedValue theirs = value(w, w.client());
        w.renew(a);
        theirs.setValue(World.bytes("second"));
        w.awaitEqual("the value", "second", () -> World.text(mine.getValue()));
        VersionedValue<byte[]> old = mine.getVersionedValue();
        theirs.setValue(World.bytes("third"));
        World.check(
                !mine.trySetValue(old, World.bytes("fourth")), "changed an old version");
        w.awaitEqual("the value", "third", () -> World.text(mine.getValue()));
    }

    private static DistributedAtomicLong atomic(World w, CuratorFramework c) {
        return new DistributedAtomicLong(c, w.path("long"), TRIES);
    }

    private static void succeeded(AtomicValue<?> v) {
        World.check(v.succeeded(), "a change was not made");
    }

    /** Each change takes the value that another left. */
    private static void longContend(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        World.check(atomic(w, clients[0]).initialize(5L), "not initialized");
        World.check(!atomic(w, clients[1]).initialize(6L), "initialized twice");
        Set<Long> before = ConcurrentHashMap.newKeySet();
        w.together(
                THREADS,
                i -> {
                    DistributedAtomicLong n = atomic(w, clients[i % 2]);
                    for (int round = 0; round < ROUNDS; round++) {
                        AtomicValue<Long> v = n.add(2L);
                        succeeded(v);
                        World.equal("a step", v.postValue() - v.preValue(), 2L);
                        World.check(before.add(v.preValue()), "two changed %s", v.preValue());
                    }
                });
        long want = 5 + 2L * THREADS * ROUNDS;
        World.equal("the sum", atomic(w, clients[0]).get().postValue(), want);
        DistributedAtomicLong n = atomic(w, clients[1]);
        World.check(!n.compareAndSet(want - 1, 0L).succeeded(), "set in place of another value");
        succeeded(n.compareAndSet(want, 1L));
        succeeded(n.decrement());
        succeeded(n.subtract(3L));
        World.equal("the sum", atomic(w, clients[0]).get().postValue(), -3L);
        n.forceSet(11L);
        World.equal("the forced value", atomic(w, clients[0]).get().postValue(), 11L);
    }

    private static DistributedAtomicLong promoted(World w, CuratorFramework c) {
        return new DistributedAtomicLong(
                c,
                w.path("long"),
                NO_TRIES,
                PromotedToLock.builder()
                        .lockPath(w.path("lock"))
                        .retryPolicy(TRIES)
                        .timeout(w.leftMs(), TimeUnit.MILLISECONDS)
                        .build());
    }

    /** Without a second optimistic try, changes are made under the lock, and all are made. */
    private static void longPromoted(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        Set<Long> before = ConcurrentHashMap.newKeySet();
        w.together(
                THREADS,
                i -> {
                    DistributedAtomicLong n = promoted(w, clients[i % 2]);
                    for (int round = 0; round < ROUNDS; round++) {
                        AtomicValue<Long> v = n.increment();
                        succeeded(v);
                        World.check(before.add(v.preValue()), "two changed %s", v.preValue());
                    }
                });
        World.equal(
                "the sum",
                promoted(w, clients[0]).get().postValue(),
                (long) THREADS * ROUNDS);
    }

    /** One client is cut off; the other counts on; the first continues where that one is. */
    private static void longOutlive(World w) throws Exception {
        World.Link a = w.link();
        CuratorFramework b = w.client();
        String mark = w.path("mark");
        succeeded(atomic(w, a.client()).increment());
        a.client().create().withMode(org.apache.zookeeper.CreateMode.EPHEMERAL).forPath(mark);
        a.cable().cut();
        w.await("the session's end", () -> !w.exists(mark));
        succeeded(atomic(w, b).increment());
        a.cable().mend();
        AtomicValue<Long> v = atomic(w, a.client()).increment();
        succeeded(v);
        World.equal("the value before", v.preValue(), 2L);
        World.equal("the other's view", atomic(w, b).get().postValue(), 3L);
    }

    /** The session of the client that holds the promotion's lock ends: others go on. */
    private static void longExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        succeeded(promoted(w, b).increment());
        new InterProcessMutex(a, w.path("lock")).acquire();
        InterProcessMutex waiting = new InterProcessMutex(b, w.path("lock"));
        World.check(!waiting.acquire(0, TimeUnit.MILLISECONDS), "two hold the lock");
        w.renew(a);
        w.together(
                2,
                i -> {
                    for (int round = 0; round < ROUNDS; round++) {
                        succeeded(promoted(w, i == 0 ? a : b).increment());
                    }
                });
        World.equal("the sum", promoted(w, b).get().postValue(), 1L + 2 * ROUNDS);
        World.check(
                waiting.acquire(w.leftMs(), TimeUnit.MILLISECONDS), "the lock was not freed");
    }

    private static void integerContend(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        w.together(
                THREADS,
                i -> {
                    DistributedAtomicInteger n =
                            new DistributedAtomicInteger(clients[i % 2], w.path("int"), TRIES);
                    for (int round = 0; round < ROUNDS; round++) {
                        succeeded(i < 2 ? n.add(3) : n.subtract(1));
                    }
                });
        DistributedAtomicInteger n =
                new DistributedAtomicInteger(clients[0], w.path("int"), TRIES);
        World.equal("the sum", n.get().postValue(), 2 * ROUNDS * (3 - 1));
    }

    /** Of all that want to replace the same value one does. */
    private static void valueCompareAndSet(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        DistributedAtomicValue first =
                new DistributedAtomicValue(clients[0], w.path("value"), NO_TRIES);
        World.check(first.initialize(World.bytes("start")), "not initialized");
        String now = "start";
        for (int round = 0; round < ROUNDS; round++) {
            byte[] expected = World.bytes(now);
            int turn = round;
            Set<String> won = ConcurrentHashMap.newKeySet();
            w.together(
                    THREADS,
                    i -> {
                        DistributedAtomicValue v =
                                new DistributedAtomicValue(
                                        clients[i % 2], w.path("value"), NO_TRIES);
                        String mine = "turn" + turn + "of" + i;
                        if (v.compareAndSet(expected, World.bytes(mine)).succeeded()) {
                            won.add(mine);
                        }
                    });
            World.equal("changes made", won.size(), 1);
            now = won.iterator().next();
            World.equal("the value", World.text(first.get().postValue()), now);
        }
        World.equal("changes in all", version(w, "value"), ROUNDS);
    }

    /** Ranges of numbers are handed out; no number is given twice. */
    private static void cached(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        Set<Long> given = ConcurrentHashMap.newKeySet();
        w.together(
                THREADS,
                i -> {
                    CachedAtomicLong n = new CachedAtomicLong(atomic(w, clients[i % 2]), 5);
                    for (int round = 0; round < 2 * ROUNDS; round++) {
                        AtomicValue<Long> v = n.next();
                        succeeded(v);
                        World.check(given.add(v.preValue()), "%s given twice", v.preValue());
                    }
                });
        World.equal("numbers given", given.size(), THREADS * 2 * ROUNDS);
    }
}
