package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.shared.SharedCount;

/** A semaphore: so many leases, and no more. */
final class Semaphores {
    private static final int LEASES = 3;

    private Semaphores() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("InterProcessSemaphoreV2/contend", Semaphores::contend),
                new Scenario("InterProcessSemaphoreV2/several", Semaphores::several),
                new Scenario("InterProcessSemaphoreV2/failover", Semaphores::failOver),
                new Scenario("InterProcessSemaphoreV2/outlive", Semaphores::outlive),
                new Scenario("InterProcessSemaphoreV2/expire", Semaphores::expire),
                new Scenario("InterProcessSemaphoreV2/shared-count", Semaphores::sharedCount));
    }

    private static InterProcessSemaphoreV2 semaphore(World w, CuratorFramework c) {
        return new InterProcessSemaphoreV2(c, w.path("semaphore"), LEASES);
    }

    /** Does not get a lease when all are taken. */
    private static void refused(InterProcessSemaphoreV2 s) throws Exception {
        World.check(s.acquire(0, TimeUnit.MILLISECONDS) == null, "got a lease too many");
    }

    /** Six threads of two clients: all leases are in use at some moment, never one more. */
    private static void contend(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        // Three at a time meet inside: reached only if three leases are given at once.
        CyclicBarrier inside = new CyclicBarrier(LEASES);
        AtomicInteger now = new AtomicInteger();
        w.together(
                6,
                i -> {
                    InterProcessSemaphoreV2 s = semaphore(w, clients[i % 2]);
                    for (int round = 0; round < 4; round++) {
                        Lease lease = s.acquire();
                        int count = now.incrementAndGet();
                        World.check(count <= LEASES, "%d leases of %d", count, LEASES);
                        inside.await(w.leftMs(), TimeUnit.MILLISECONDS);
                        // Long enough inside for one too many to be seen.
                        clients[i % 2].sync().forPath("/");
                        now.decrementAndGet();
                        s.returnLease(lease);
                    }
                });
        refusedWhenAllTaken(w, clients);
    }

    private static void refusedWhenAllTaken(World w, CuratorFramework[] clients)
            throws Exception {
        InterProcessSemaphoreV2 a = semaphore(w, clients[0]);
        InterProcessSemaphoreV2 b = semaphore(w, clients[1]);
        List<Lease> all = new ArrayList<>();
        for (int i = 0; i < LEASES; i++) {
            all.add(w.get(w.go(() -> a.acquire()), "a free lease"));
        }
        refused(b);
        World.equal("participants", b.getParticipantNodes().size(), LEASES);
        a.returnLease(all.remove(0));
        w.get(w.go(() -> b.acquire()), "the returned lease");
        refused(a);
        World.equal("data of a lease", all.get(0).getData().length > 0, true);
    }

    /** Several leases are given together or not at all. */
    private static void several(World w) throws Exception {
        InterProcessSemaphoreV2 a = semaphore(w, w.client());
        InterProcessSemaphoreV2 b = semaphore(w, w.client());
        Collection<Lease> two = w.get(w.go(() -> a.acquire(2)), "two leases");
        World.equal("leases", two.size(), 2);
        World.check(b.acquire(2, 0, TimeUnit.MILLISECONDS) == null, "got four leases of three");
        Lease last = w.get(w.go(() -> b.acquire()), "the last lease");
        refused(a);
        b.returnLease(last);
        a.returnAll(two);
        World.equal("leases", w.get(w.go(() -> b.acquire(3)), "all leases").size(), LEASES);
    }

    /** A client closes with its leases, which others then get; a new client comes after them. */
    private static void failOver(World w) throws Exception {
        CuratorFramework a = w.client();
        w.get(w.go(() -> semaphore(w, a).acquire(LEASES)), "all leases");
        InterProcessSemaphoreV2 b = semaphore(w, w.client());
        refused(b);
        Future<Collection<Lease>> turn = w.go(() -> b.acquire(LEASES));
        World.check(!turn.isDone(), "leases too many");
        a.close();
        Collection<Lease> all = w.get(turn, "the leases of the closed client");
        InterProcessSemaphoreV2 c = semaphore(w, w.client());
        refused(c);
        b.returnAll(all);
        w.get(w.go(() -> c.acquire(LEASES)), "all leases again");
    }

    /** A client is cut off until its session, and with it its leases, are over. */
    private static void outlive(World w) throws Exception {
        World.Link a = w.link();
        w.get(w.go(() -> semaphore(w, a.client()).acquire(LEASES)), "all leases");
        InterProcessSemaphoreV2 b = semaphore(w, w.client());
        refused(b);
        a.cable().cut();
        Collection<Lease> all = w.get(w.go(() -> b.acquire(LEASES)), "the lost leases");
        a.cable().mend();
        InterProcessSemaphoreV2 again = semaphore(w, a.client());
        refused(again);
        b.returnAll(all);
        w.get(w.go(() -> again.acquire(LEASES)), "all leases for the first again");
    }

    /** A client's session ends, and its leases with it. */
    private static void expire(World w) throws Exception {
        CuratorFramework a = w.client();
        w.get(w.go(() -> semaphore(w, a).acquire(LEASES)), "all leases");
        InterProcessSemaphoreV2 b = semaphore(w, w.client());
        refused(b);
        Future<Collection<Lease>> turn = w.go(() -> b.acquire(LEASES));
        World.check(!turn.isDone(), "leases too many");
        w.renew(a);
        Collection<Lease> all = w.get(turn, "the leases of the ended session");
        InterProcessSemaphoreV2 again = semaphore(w, a);
        refused(again);
        b.returnAll(all);
        w.get(w.go(() -> again.acquire(LEASES)), "all leases for the first again");
    }

    /** The number of leases is a shared count; who raises it lets another in. */
    private static void sharedCount(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        SharedCount mine = w.use(new SharedCount(a, w.path("count"), 1));
        SharedCount theirs = w.use(new SharedCount(b, w.path("count"), 1));
        mine.start();
        theirs.start();
        w.get(
                w.go(() -> new InterProcessSemaphoreV2(a, w.path("semaphore"), mine).acquire()),
                "the only lease");
        InterProcessSemaphoreV2 second =
                new InterProcessSemaphoreV2(b, w.path("semaphore"), theirs);
        refused(second);
        Future<Lease> turn = w.go(() -> second.acquire());
        World.check(!turn.isDone(), "two leases of one");
        mine.setCount(2);
        w.get(turn, "the new lease");
    }
}
