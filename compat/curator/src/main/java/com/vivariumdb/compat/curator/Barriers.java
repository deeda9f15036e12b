package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;

/** Barriers: one that somebody lifts, and one that opens when all are there. */
final class Barriers {
    private static final int MEMBERS = 4;

    private Barriers() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("DistributedBarrier/contend", Barriers::lift),
                new Scenario("DistributedBarrier/failover", Barriers::setterLeaves),
                new Scenario("DistributedBarrier/interrupted-link", Barriers::waiterLosesLink),
                new Scenario("DistributedBarrier/expire", Barriers::waiterExpires),
                new Scenario("DistributedDoubleBarrier/contend", Barriers::enterAndLeave),
                new Scenario("DistributedDoubleBarrier/failover", Barriers::memberLeaves),
                new Scenario("DistributedDoubleBarrier/outlive", Barriers::memberOutlived),
                new Scenario("DistributedDoubleBarrier/expire", Barriers::memberExpires));
    }

    private static DistributedBarrier barrier(World w, CuratorFramework c) {
        return new DistributedBarrier(c, w.path("barrier"));
    }

    /** Starts to wait; the result is there when the barrier is not. */
    private static Future<Void> waits(World w, CuratorFramework c) {
        return w.go(
                () -> {
                    barrier(w, c).waitOnBarrier();
                    return null;
                });
    }

    private static void holds(World w, CuratorFramework c) throws Exception {
        World.check(
                !barrier(w, c).waitOnBarrier(0, TimeUnit.MILLISECONDS),
                "went through a barrier that is set");
    }

    /** Threads of two clients wait until it is lifted. */
    private static void lift(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        for (int round = 0; round < 3; round++) {
            barrier(w, clients[0]).setBarrier();
            barrier(w, clients[1]).setBarrier(); // of two that set it, one does
            holds(w, clients[1]);
            List<Future<Void>> waiting = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                waiting.add(waits(w, clients[i % 2]));
            }
            waiting.forEach(f -> World.check(!f.isDone(), "went through a barrier that is set"));
            barrier(w, clients[round % 2]).removeBarrier();
            for (Future<Void> f : waiting) {
                w.get(f, "the barrier to be lifted");
            }
        }
    }

    /** The barrier outlives the client that set it. */
    private static void setterLeaves(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        barrier(w, a).setBarrier();
        Future<Void> waiting = waits(w, b);
        a.close();
        holds(w, b);
        World.check(!waiting.isDone(), "the barrier went with its setter");
        barrier(w, w.client()).removeBarrier();
        w.get(waiting, "the barrier to be lifted");
    }

    /** The barrier is lifted while the waiter has no connection; it learns when it has one. */
    private static void waiterLosesLink(World w) throws Exception {
        World.Link a = w.lastingLink();
        CuratorFramework b = w.client();
        barrier(w, b).setBarrier();
        Future<Void> waiting = waits(w, a.client());
        holds(w, a.client());
        a.cable().cut();
        barrier(w, b).removeBarrier();
        World.check(!waiting.isDone(), "heard without a connection");
        a.cable().mend();
        w.get(waiting, "the barrier to be lifted");
    }

    /** The waiter's session ends; it waits on, and is let through. */
    private static void waiterExpires(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        barrier(w, b).setBarrier();
        Future<Void> waiting = waits(w, a);
        holds(w, a);
        w.renew(a);
        holds(w, a);
        World.check(!waiting.isDone(), "went through a barrier that is set");
        barrier(w, b).removeBarrier();
        w.get(waiting, "the barrier to be lifted");
    }

    private static DistributedDoubleBarrier member(World w, CuratorFramework c) {
        return new DistributedDoubleBarrier(c, w.path("barrier"), MEMBERS);
    }

    /** Nobody enters before all are there, and nobody leaves before all want to. */
    private static void enterAndLeave(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        AtomicInteger entering = new AtomicInteger();
        AtomicInteger leaving = new AtomicInteger();
        for (int round = 1; round <= 3; round++) {
            int all = round * MEMBERS;
            w.together(
                    MEMBERS,
                    i -> {
                        DistributedDoubleBarrier m = member(w, clients[i % 2]);
                        // The last comes when the others have taken their places.
                        if (i == 0) {
                            w.awaitEqual(
                                    "places",
                                    MEMBERS - 1,
                                    () -> w.children(w.path("barrier")).size());
                        }
                        entering.incrementAndGet();
                        m.enter();
                        World.equal("entering when one is in", entering.get(), all);
                        if (i == 0) {
                            w.await("the others", () -> leaving.get() == all - 1);
                        }
                        leaving.incrementAndGet();
                        m.leave();
                        World.equal("leaving when one is out", leaving.get(), all);
                    });
            w.awaitEqual("places", List.of(), () -> w.children(w.path("barrier")));
        }
    }

    /** Enters with all members: one of client a, the others of client b. */
    private static List<DistributedDoubleBarrier> entered(
            World w, CuratorFramework a, CuratorFramework b) throws Exception {
        List<DistributedDoubleBarrier> members = new ArrayList<>();
        for (int i = 0; i < MEMBERS; i++) {
            members.add(member(w, i == 0 ? a : b));
        }
        w.together(
                MEMBERS,
                i -> {
                    if (i == 0) {
                        w.awaitEqual(
                                "places",
                                MEMBERS - 1,
                                () -> w.children(w.path("barrier")).size());
                    }
                    members.get(i).enter();
                });
        return members;
    }

    /** All but the first leave, which they can only when it is gone. */
    private static void othersLeave(
            World w, List<DistributedDoubleBarrier> members, Lost lost) throws Exception {
        List<Future<Void>> leaving = new ArrayList<>();
        for (DistributedDoubleBarrier m : members.subList(1, MEMBERS)) {
            leaving.add(
                    w.go(
                            () -> {
                                m.leave();
                                return null;
                            }));
        }
        leaving.forEach(f -> World.check(!f.isDone(), "left before the first"));
        lost.lose();
        for (Future<Void> f : leaving) {
            w.get(f, "the others to leave");
        }
    }

    /** How the first member is lost. */
    private interface Lost {
        void lose() throws Exception;
    }

    /** A member that closes does not keep the others in; a new round has a new member. */
    private static void memberLeaves(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        othersLeave(w, entered(w, a, b), a::close);
        CuratorFramework c = w.client();
        rejoin(w, c, b);
    }

    private static void memberOutlived(World w) throws Exception {
        World.Link a = w.link();
        CuratorFramework b = w.client();
        othersLeave(w, entered(w, a.client(), b), () -> a.cable().cut());
        a.cable().mend();
        rejoin(w, a.client(), b);
    }

    private static void memberExpires(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        othersLeave(w, entered(w, a, b), () -> w.renew(a));
        rejoin(w, a, b);
    }

    private static void rejoin(World w, CuratorFramework a, CuratorFramework b)
            throws Exception {
        // The ready mark of the last round is taken away by the last that leaves.
        w.awaitEqual("places", List.of(), () -> w.children(w.path("barrier")));
        List<DistributedDoubleBarrier> members = entered(w, a, b);
        w.together(MEMBERS, i -> members.get(i).leave());
    }
}
