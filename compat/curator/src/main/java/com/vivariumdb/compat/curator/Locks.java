package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.Locker;
import org.apache.curator.framework.recipes.locks.Revoker;

/** Locks, one holder at a time or one writer. */
final class Locks {
    private static final int THREADS = 6;
    private static final int ROUNDS = 6;

    private Locks() {}

    /** Makes the lock under test at a path. */
    private interface Make {
        InterProcessLock lock(CuratorFramework client, String path);
    }

    static List<Scenario> all() {
        List<Scenario> all = new ArrayList<>();
        family(all, "InterProcessMutex", InterProcessMutex::new);
        family(all, "InterProcessSemaphoreMutex", InterProcessSemaphoreMutex::new);
        family(
                all,
                "InterProcessReadWriteLock.writeLock",
                (c, p) -> new InterProcessReadWriteLock(c, p).writeLock());
        family(
                all,
                "InterProcessMultiLock",
                (c, p) -> new InterProcessMultiLock(c, List.of(p + "-1", p + "-2")));
        all.add(new Scenario("InterProcessMutex/reentrant", Locks::reentrant));
        all.add(new Scenario("InterProcessMutex/expire-waiting", Locks::expireWaiting));
        all.add(new Scenario("InterProcessMutex/interrupted-link", Locks::interruptedLink));
        all.add(new Scenario("InterProcessMutex/revoke", Locks::revoke));
        all.add(new Scenario("InterProcessMutex/container", Locks::container));
        all.add(new Scenario("InterProcessReadWriteLock/share", Locks::share));
        all.add(new Scenario("InterProcessReadWriteLock/contend", Locks::readersAndWriters));
        all.add(new Scenario("InterProcessReadWriteLock/downgrade", Locks::downgrade));
        all.add(new Scenario("InterProcessReadWriteLock/expire-reader", Locks::expireReader));
        all.add(new Scenario("InterProcessMultiLock/all-or-none", Locks::allOrNone));
        all.add(new Scenario("Locker/contend", Locks::locker));
        return all;
    }

    /** What every lock promises. */
    private static void family(List<Scenario> all, String name, Make make) {
        all.add(new Scenario(name + "/contend", w -> contend(w, make)));
        all.add(new Scenario(name + "/failover", w -> failOver(w, make)));
        all.add(new Scenario(name + "/outlive", w -> outlive(w, make)));
        all.add(new Scenario(name + "/expire", w -> expire(w, make)));
    }

    /** Threads of two clients go through a section that bears one at a time. */
    private static void contend(World w, Make make) throws Exception {
        Section section = new Section(w, 1);
        CuratorFramework[] clients = {w.client(), w.client()};
        w.together(
                THREADS,
                i -> {
                    CuratorFramework c = clients[i % 2];
                    InterProcessLock lock = make.lock(c, w.path("lock"));
                    for (int round = 0; round < ROUNDS; round++) {
                        lock.acquire();
                        try {
                            section.pass(c);
                        } finally {
                            lock.release();
                        }
                    }
                });
        section.verify(THREADS * ROUNDS);
    }

    /** Starts to acquire; the result is there when the lock is held. */
    private static Future<Void> acquire(World w, InterProcessLock lock) {
        return w.go(
                () -> {
                    lock.acquire();
                    return null;
                });
    }

    /** Does not get a lock that another holds. */
    private static void refused(InterProcessLock lock) throws Exception {
        World.check(!lock.acquire(0, TimeUnit.MILLISECONDS), "got a lock that another holds");
    }

    /** The holder's client closes, the other gets the lock; a third gets it after a release. */
    private static void failOver(World w, Make make) throws Exception {
        CuratorFramework a = w.client();
        make.lock(a, w.path("lock")).acquire();
        CuratorFramework b = w.client();
        refused(make.lock(b, w.path("lock")));
        InterProcessLock second = make.lock(b, w.path("lock"));
        CountDownLatch release = new CountDownLatch(1);
        CountDownLatch held = new CountDownLatch(1);
        Future<Void> turn =
                w.go(
                        () -> {
                            second.acquire();
                            held.countDown();
                            release.await();
                            second.release();
                            return null;
                        });
        World.check(held.getCount() == 1, "two hold the lock");
        a.close();
        w.await("the second to hold it", () -> held.getCount() == 0);
        InterProcessLock third = make.lock(w.client(), w.path("lock"));
        refused(third);
        release.countDown();
        w.get(turn, "the second's turn");
        w.get(acquire(w, third), "the lock once more");
    }

    /** The holder's connection is cut until its session is over; it comes back and waits. */
    private static void outlive(World w, Make make) throws Exception {
        World.Link a = w.link();
        make.lock(a.client(), w.path("lock")).acquire();
        takeOver(w, make, a.client(), () -> a.cable().cut(), () -> a.cable().mend());
    }

    /** The holder's session ends on the server; it comes back and waits. */
    private static void expire(World w, Make make) throws Exception {
        CuratorFramework a = w.client();
        make.lock(a, w.path("lock")).acquire();
        takeOver(w, make, a, () -> w.renew(a), () -> {});
    }

    /** What is done to a client. */
    private interface Deed {
        void run() throws Exception;
    }

    /** After its holder a was lost, another holds the lock; a comes back and waits for its turn. */
    private static void takeOver(World w, Make make, CuratorFramework a, Deed lose, Deed back)
            throws Exception {
        CuratorFramework b = w.client();
        refused(make.lock(b, w.path("lock")));
        CountDownLatch release = new CountDownLatch(1);
        CountDownLatch held = new CountDownLatch(1);
        Future<Void> turn =
                w.go(
                        () -> {
                            InterProcessLock second = make.lock(b, w.path("lock"));
                            second.acquire();
                            held.countDown();
                            release.await();
                            second.release();
                            return null;
                        });
        lose.run();
        w.await("the second to hold it", () -> held.getCount() == 0);
        back.run();
        InterProcessLock again = make.lock(a, w.path("lock"));
        refused(again);
        Future<Void> third = acquire(w, again);
        World.check(!third.isDone(), "two hold the lock");
        release.countDown();
        w.get(turn, "the second's turn");
        w.get(third, "the lock for the first again");
    }

    /** A thread may acquire twice, and must release twice. */
    private static void reentrant(World w) throws Exception {
        InterProcessMutex first = new InterProcessMutex(w.client(), w.path("lock"));
        InterProcessMutex second = new InterProcessMutex(w.client(), w.path("lock"));
        first.acquire();
        first.acquire();
        refused(second);
        first.release();
        refused(second);
        World.check(first.isOwnedByCurrentThread(), "lost the lock after one of two releases");
        first.release();
        World.check(second.acquire(w.leftMs(), TimeUnit.MILLISECONDS), "not released");
        World.equal("participants", first.getParticipantNodes().size(), 1);
    }

    /** A waiting client loses its session, takes a place again, and gets the lock. */
    private static void expireWaiting(World w) throws Exception {
        InterProcessMutex first = new InterProcessMutex(w.client(), w.path("lock"));
        first.acquire();
        CuratorFramework b = w.client();
        InterProcessMutex second = new InterProcessMutex(b, w.path("lock"));
        Future<Void> turn = acquire(w, second);
        w.awaitEqual("participants", 2, () -> first.getParticipantNodes().size());
        String before = World.session(b) + "";
        w.renew(b);
        World.check(!before.equals(World.session(b) + ""), "the session is the same");
        w.await(
                "a place under the new session",
                () -> {
                    for (String name : w.children(w.path("lock"))) {
                        if (w.owner(w.path("lock") + "/" + name) == World.session(b)) {
                            return true;
                        }
                    }
                    return false;
                });
        World.check(!turn.isDone(), "two hold the lock");
        first.release();
        w.get(turn, "the lock after the session's end");
        World.equal("participants", first.getParticipantNodes().size(), 1);
    }

    /** Connections break again and again, sessions live: the lock still bears one at a time. */
    private static void interruptedLink(World w) throws Exception {
        Section section = new Section(w, 1);
        World.Link[] links = {w.lastingLink(), w.lastingLink()};
        CountDownLatch done = new CountDownLatch(4);
        List<Future<Void>> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            CuratorFramework c = links[i % 2].client();
            all.add(
                    w.go(
                            () -> {
                                try {
                                    InterProcessMutex lock =
                                            new InterProcessMutex(c, w.path("lock"));
                                    for (int round = 0; round < ROUNDS; round++) {
                                        lock.acquire();
                                        // With a client whose writes are done once.
                                        section.pass(w.observer());
                                        lock.release();
                                    }
                                } finally {
                                    done.countDown();
                                }
                                return null;
                            }));
        }
        for (int i = 0; done.getCount() > 0 && w.leftMs() > 0; i++) {
            // The next break comes when both have been back and their requests were served.
            links[i % 2].cable().interrupt();
            for (World.Link l : links) {
                l.client().checkExists().forPath("/");
            }
        }
        for (Future<Void> f : all) {
            w.get(f, "a thread's work");
        }
        section.verify(4 * ROUNDS);
        w.awaitEqual("places left", List.of(), () -> w.children(w.path("lock")));
    }

    /** A holder that may be asked to let go is asked, and lets go. */
    private static void revoke(World w) throws Exception {
        InterProcessMutex first = new InterProcessMutex(w.client(), w.path("lock"));
        CountDownLatch asked = new CountDownLatch(1);
        first.makeRevocable(lock -> asked.countDown());
        first.acquire();
        CuratorFramework b = w.client();
        String holder = first.getParticipantNodes().iterator().next();
        Revoker.attemptRevoke(b, holder);
        w.await("the holder to be asked", () -> asked.getCount() == 0);
        InterProcessMutex second = new InterProcessMutex(b, w.path("lock"));
        refused(second);
        first.release();
        w.get(acquire(w, second), "the lock that was let go");
    }

    /** The lock's own znode is a container, and the server removes it when nobody uses it. */
    private static void container(World w) throws Exception {
        InterProcessMutex lock = new InterProcessMutex(w.client(), w.path("lock"));
        lock.acquire();
        World.check(w.exists(w.path("lock")), "no znode for a lock that is held");
        lock.release();
        w.await("the container to go", () -> !w.exists(w.path("lock")));
        lock.acquire();
        lock.release();
    }

    /** Two readers hold the lock at the same moment, and a writer waits for both. */
    private static void share(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        CyclicBarrier both = new CyclicBarrier(3);
        List<Future<Void>> readers = new ArrayList<>();
        for (CuratorFramework c : clients) {
            readers.add(
                    w.go(
                            () -> {
                                InterProcessReadWriteLock lock =
                                        new InterProcessReadWriteLock(c, w.path("lock"));
                                lock.readLock().acquire();
                                both.await(); // reached only if both hold it
                                both.await();
                                lock.readLock().release();
                                return null;
                            }));
        }
        both.await(w.leftMs(), TimeUnit.MILLISECONDS);
        InterProcessMutex write =
                new InterProcessReadWriteLock(clients[0], w.path("lock")).writeLock();
        refused(write);
        both.await(w.leftMs(), TimeUnit.MILLISECONDS);
        w.get(acquire(w, write), "the lock for a writer");
        for (Future<Void> r : readers) {
            w.get(r, "a reader's work");
        }
        refused(new InterProcessReadWriteLock(clients[1], w.path("lock")).readLock());
    }

    /** Writers change two znodes one after the other; no reader sees them differ. */
    private static void readersAndWriters(World w) throws Exception {
        Section section = new Section(w, 1);
        CuratorFramework[] clients = {w.client(), w.client()};
        String left = w.path("left");
        String right = w.path("right");
        clients[0].create().forPath(left, World.bytes(0));
        clients[0].create().forPath(right, World.bytes(0));
        w.together(
                THREADS,
                i -> {
                    CuratorFramework c = clients[i % 2];
                    InterProcessReadWriteLock lock =
                            new InterProcessReadWriteLock(c, w.path("lock"));
                    InterProcessMutex mine = i < 2 ? lock.writeLock() : lock.readLock();
                    for (int round = 0; round < ROUNDS; round++) {
                        mine.acquire();
                        if (i < 2) {
                            section.pass(c);
                            byte[] value = World.bytes(i + "." + round);
                            c.setData().forPath(left, value);
                            c.setData().forPath(right, value);
                        } else {
                            String l = World.text(c.getData().forPath(left));
                            String r = World.text(c.getData().forPath(right));
                            World.equal("the right znode", r, l);
                        }
                        mine.release();
                    }
                });
        section.verify(2 * ROUNDS);
    }

    /** A writer takes the read lock, lets the write lock go, and other readers come in. */
    private static void downgrade(World w) throws Exception {
        InterProcessReadWriteLock first =
                new InterProcessReadWriteLock(w.client(), w.path("lock"));
        InterProcessReadWriteLock second =
                new InterProcessReadWriteLock(w.client(), w.path("lock"));
        first.writeLock().acquire();
        first.readLock().acquire();
        refused(second.readLock());
        first.writeLock().release();
        refused(second.writeLock());
        World.check(
                second.readLock().acquire(w.leftMs(), TimeUnit.MILLISECONDS),
                "no second reader");
        World.check(first.readLock().isOwnedByCurrentThread(), "the first reader lost its lock");
    }

    /** A reader's session ends, and the writer behind it comes in. */
    private static void expireReader(World w) throws Exception {
        CuratorFramework a = w.client();
        new InterProcessReadWriteLock(a, w.path("lock")).readLock().acquire();
        InterProcessReadWriteLock second =
                new InterProcessReadWriteLock(w.client(), w.path("lock"));
        refused(second.writeLock());
        Future<Void> writer = acquire(w, second.writeLock());
        World.check(!writer.isDone(), "a writer beside a reader");
        w.renew(a);
        w.get(writer, "the lock for the writer");
        refused(new InterProcessReadWriteLock(a, w.path("lock")).readLock());
    }

    /** A lock of two is not got, and neither of them held, while another holds one. */
    private static void allOrNone(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        InterProcessMutex one = new InterProcessMutex(a, w.path("one"));
        InterProcessMutex two = new InterProcessMutex(a, w.path("two"));
        InterProcessMultiLock both =
                new InterProcessMultiLock(b, List.of(w.path("one"), w.path("two")));
        two.acquire();
        refused(both);
        World.check(
                one.acquire(w.leftMs(), TimeUnit.MILLISECONDS),
                "the lock of two keeps one of them");
        one.release();
        two.release();
        Future<Void> turn = acquire(w, both);
        w.get(turn, "the lock of two");
        refused(one);
        refused(two);
    }

    /** A lock in a try statement is released at its end. */
    private static void locker(World w) throws Exception {
        Section section = new Section(w, 1);
        CuratorFramework[] clients = {w.client(), w.client()};
        w.together(
                4,
                i -> {
                    InterProcessMutex lock =
                            new InterProcessMutex(clients[i % 2], w.path("lock"));
                    for (int round = 0; round < ROUNDS; round++) {
                        try (Locker held = new Locker(lock)) {
                            section.pass(clients[i % 2]);
                        }
                    }
                });
        section.verify(4 * ROUNDS);
    }
}
