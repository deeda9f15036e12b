package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;

/** Leader election, by latch and by selector. */
final class Leaders {
    private Leaders() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("LeaderLatch/contend", Leaders::latchContend),
                new Scenario("LeaderLatch/failover", Leaders::latchFailOver),
                new Scenario("LeaderLatch/outlive", Leaders::latchOutlive),
                new Scenario("LeaderLatch/expire", Leaders::latchExpire),
                new Scenario("LeaderSelector/contend", Leaders::selectorContend),
                new Scenario("LeaderSelector/failover", Leaders::selectorFailOver),
                new Scenario("LeaderSelector/outlive", Leaders::selectorOutlive),
                new Scenario("LeaderSelector/expire", Leaders::selectorExpire),
                new Scenario("LeaderSelector/interrupt", Leaders::selectorInterrupt));
    }

    /** A latch that counts how often it was told it leads and that it does not. */
    private static final class Latch extends LeaderLatch {
        final AtomicInteger gained = new AtomicInteger();
        final AtomicInteger lost = new AtomicInteger();

        Latch(World w, CuratorFramework client, String id) throws Exception {
            super(client, w.path("latch"), id);
            addListener(
                    new LeaderLatchListener() {
                        @Override
                        public void isLeader() {
                            gained.incrementAndGet();
                        }

                        @Override
                        public void notLeader() {
                            lost.incrementAndGet();
                        }
                    });
            start();
            w.use(
                    () -> {
                        if (getState() == State.STARTED) {
                            close();
                        }
                    });
        }
    }

    /** Of six latches of two clients one leads; each leads once when those before it have gone. */
    private static void latchContend(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        List<Latch> open = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            open.add(new Latch(w, i % 2 == 0 ? a : b, "latch" + i));
        }
        List<Latch> all = List.copyOf(open);
        while (!open.isEmpty()) {
            w.awaitEqual("participants", open.size(), () -> all.get(0).getParticipants().size());
            w.await("a leader", () -> open.stream().anyMatch(LeaderLatch::hasLeadership));
            List<Latch> leaders = open.stream().filter(LeaderLatch::hasLeadership).toList();
            World.equal("leaders", leaders.size(), 1);
            Latch leader = leaders.get(0);
            for (Latch l : open) {
                World.equal("the leader as others see it", l.getLeader().getId(), leader.getId());
            }
            leader.close();
            open.remove(leader);
        }
        for (Latch l : all) {
            World.equal("times that " + l.getId() + " led", l.gained.get(), 1);
        }
    }

    /** The leader closes, the other takes over; the first comes back and waits for its turn. */
    private static void latchFailOver(World w) throws Exception {
        Latch first = new Latch(w, w.client(), "first");
        w.await("the first to lead", first::hasLeadership);
        CuratorFramework b = w.client();
        Latch second = new Latch(w, b, "second");
        w.awaitEqual("participants", 2, () -> second.getParticipants().size());
        World.check(!second.hasLeadership(), "two lead");
        first.close();
        w.await("the second to lead", second::hasLeadership);
        Latch third = new Latch(w, w.client(), "third");
        w.awaitEqual("participants", 2, () -> second.getParticipants().size());
        World.check(!third.hasLeadership() && second.hasLeadership(), "the third leads");
        b.close(); // with its session
        w.await("the third to lead", third::hasLeadership);
    }

    /** The leader's connection is cut until its session is over, then mended. */
    private static void latchOutlive(World w) throws Exception {
        World.Link a = w.link();
        Latch first = new Latch(w, a.client(), "first");
        w.await("the first to lead", first::hasLeadership);
        Latch second = new Latch(w, w.client(), "second");
        w.awaitEqual("participants", 2, () -> second.getParticipants().size());
        a.cable().cut();
        w.await("the first to know it leads no more", () -> first.lost.get() == 1);
        World.check(!first.hasLeadership(), "told that it leads no more, it says it does");
        w.await("the second to lead", second::hasLeadership);
        a.cable().mend();
        w.awaitEqual("participants", 2, () -> second.getParticipants().size());
        World.equal("the leader as the first sees it", first.getLeader().getId(), "second");
        World.check(second.hasLeadership() && !first.hasLeadership(), "the first leads again");
        second.close();
        w.await("the first to lead again", () -> first.gained.get() == 2);
    }

    /** The leader's session ends on the server, while it has a connection. */
    private static void latchExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        Latch first = new Latch(w, a, "first");
        w.await("the first to lead", first::hasLeadership);
        Latch second = new Latch(w, w.client(), "second");
        w.awaitEqual("participants", 2, () -> second.getParticipants().size());
        w.renew(a);
        w.await("the first to know it leads no more", () -> first.lost.get() == 1);
        w.await("the second to lead", second::hasLeadership);
        w.awaitEqual("participants", 2, () -> second.getParticipants().size());
        World.check(!first.hasLeadership(), "two lead");
        second.close();
        w.await("the first to lead again", () -> first.gained.get() == 2);
    }

    /** A selector that leads until it is let go, and asks to lead again at once. */
    private static final class Selector extends LeaderSelectorListenerAdapter {
        final LeaderSelector selector;
        final AtomicInteger gained = new AtomicInteger();
        final AtomicInteger interrupted = new AtomicInteger();
        final AtomicReference<CountDownLatch> leave =
                new AtomicReference<>(new CountDownLatch(1));
        private final AtomicInteger leading;

        Selector(World w, CuratorFramework client, String id, AtomicInteger leading) {
            this.leading = leading;
            selector = new LeaderSelector(client, w.path("selector"), this);
            selector.setId(id);
            selector.autoRequeue();
            selector.start();
            w.use(selector);
        }

        @Override
        public void takeLeadership(CuratorFramework client) throws Exception {
            World.equal("leaders", leading.incrementAndGet(), 1);
            gained.incrementAndGet();
            try {
                leave.get().await();
                leave.set(new CountDownLatch(1));
            } catch (InterruptedException e) {
                interrupted.incrementAndGet();
            } finally {
                leading.decrementAndGet();
            }
        }

        void leave() {
            leave.get().countDown();
        }
    }

    /** Four selectors of two clients lead in turns, each several times, never two at once. */
    private static void selectorContend(World w) throws Exception {
        Section section = new Section(w, 1);
        CuratorFramework[] clients = {w.client(), w.client()};
        AtomicInteger[] terms = new AtomicInteger[4];
        List<LeaderSelector> selectors = new ArrayList<>();
        AtomicReference<Exception> wrong = new AtomicReference<>();
        for (int i = 0; i < terms.length; i++) {
            AtomicInteger led = terms[i] = new AtomicInteger();
            LeaderSelector s =
                    new LeaderSelector(
                            clients[i % 2],
                            w.path("selector"),
                            new LeaderSelectorListenerAdapter() {
                                @Override
                                public void takeLeadership(CuratorFramework c) {
                                    try {
                                        section.pass(c);
                                        led.incrementAndGet();
                                    } catch (Exception e) {
                                        wrong.set(e);
                                    }
                                }
                            });
            s.autoRequeue();
            s.start();
            selectors.add(w.use(s));
        }
        for (AtomicInteger led : terms) {
            w.await("five terms each", () -> led.get() >= 5 || wrong.get() != null);
        }
        selectors.forEach(LeaderSelector::close);
        if (wrong.get() != null && !(wrong.get() instanceof InterruptedException)) {
            throw wrong.get();
        }
    }

    /** The leader's client closes; the other leads; a new client waits for its turn. */
    private static void selectorFailOver(World w) throws Exception {
        AtomicInteger leading = new AtomicInteger();
        CuratorFramework a = w.client();
        Selector first = new Selector(w, a, "first", leading);
        w.await("the first to lead", () -> first.gained.get() == 1);
        CuratorFramework b = w.client();
        Selector second = new Selector(w, b, "second", leading);
        w.awaitEqual("participants", 2, () -> second.selector.getParticipants().size());
        World.equal("the leader", second.selector.getLeader().getId(), "first");
        first.selector.close();
        w.await("the second to lead", () -> second.gained.get() == 1);
        World.equal("interrupted terms", first.interrupted.get(), 1);
        Selector third = new Selector(w, a, "third", leading);
        w.awaitEqual("participants", 2, () -> second.selector.getParticipants().size());
        World.equal("terms of the third", third.gained.get(), 0);
        second.leave();
        w.await("the third to lead", () -> third.gained.get() == 1);
        third.leave();
        w.await("the second to lead again", () -> second.gained.get() == 2);
    }

    /** The leader's connection is cut: it must leave at once, the other leads, it comes back. */
    private static void selectorOutlive(World w) throws Exception {
        World.Link a = w.link();
        Selector first = new Selector(w, a.client(), "first", new AtomicInteger());
        w.await("the first to lead", () -> first.gained.get() == 1);
        Selector second = new Selector(w, w.client(), "second", new AtomicInteger());
        w.awaitEqual("participants", 2, () -> second.selector.getParticipants().size());
        a.cable().cut();
        w.await("the first to be interrupted", () -> first.interrupted.get() == 1);
        w.await("the second to lead", () -> second.gained.get() == 1);
        a.cable().mend();
        w.awaitEqual("participants", 2, () -> second.selector.getParticipants().size());
        World.equal("the leader", second.selector.getLeader().getId(), "second");
        second.leave();
        w.await("the first to lead again", () -> first.gained.get() == 2);
    }

    /** The leader's session ends on the server. */
    private static void selectorExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        Selector first = new Selector(w, a, "first", new AtomicInteger());
        w.await("the first to lead", () -> first.gained.get() == 1);
        Selector second = new Selector(w, w.client(), "second", new AtomicInteger());
        w.awaitEqual("participants", 2, () -> second.selector.getParticipants().size());
        w.renew(a);
        w.await("the first to be interrupted", () -> first.interrupted.get() == 1);
        w.await("the second to lead", () -> second.gained.get() == 1);
        w.awaitEqual("participants", 2, () -> second.selector.getParticipants().size());
        second.leave();
        w.await("the first to lead again", () -> first.gained.get() == 2);
    }

    /** A term that is interrupted ends, and the other's begins. */
    private static void selectorInterrupt(World w) throws Exception {
        AtomicInteger leading = new AtomicInteger();
        Selector first = new Selector(w, w.client(), "first", leading);
        w.await("the first to lead", () -> first.gained.get() == 1);
        Selector second = new Selector(w, w.client(), "second", leading);
        w.awaitEqual("participants", 2, () -> second.selector.getParticipants().size());
        first.selector.interruptLeadership();
        w.await("the second to lead", () -> second.gained.get() == 1);
        World.equal("interrupted terms", first.interrupted.get(), 1);
        second.selector.interruptLeadership();
        w.await("the first to lead again", () -> first.gained.get() == 2);
    }
}
