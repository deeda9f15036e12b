package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.MultiItem;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;

/** Queues: what one client puts, one other takes. */
final class Queues {
    private static final int ITEMS = 20;

    private Queues() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("DistributedQueue/contend", w -> contend(w, false)),
                new Scenario("DistributedQueue/contend-locked", w -> contend(w, true)),
                new Scenario("DistributedQueue/order", Queues::order),
                new Scenario("DistributedQueue/failover", Queues::failOver),
                new Scenario("DistributedQueue/outlive", Queues::outlive),
                new Scenario("DistributedQueue/expire", Queues::expire),
                new Scenario("DistributedIdQueue/remove", Queues::ids),
                new Scenario("DistributedPriorityQueue/order", Queues::priorities),
                new Scenario("DistributedPriorityQueue/expire", Queues::prioritiesExpire),
                new Scenario("DistributedDelayQueue/order", Queues::delays),
                new Scenario("DistributedDelayQueue/failover", Queues::delaysFailOver),
                new Scenario("SimpleDistributedQueue/contend", Queues::simple),
                new Scenario("SimpleDistributedQueue/ends", Queues::simpleEnds),
                new Scenario("SimpleDistributedQueue/interrupted-link", Queues::simpleLink),
                new Scenario("SimpleDistributedQueue/expire", Queues::simpleExpire));
    }

    /** Items are texts. */
    private static final QueueSerializer<String> TEXT =
            new QueueSerializer<>() {
                @Override
                public byte[] serialize(String item) {
                    return World.bytes(item);
                }

                @Override
                public String deserialize(byte[] bytes) {
                    return World.text(bytes);
                }
            };

    /** Notes what it is given. */
    private static class Consumer implements QueueConsumer<String> {
        final ConcurrentLinkedQueue<String> got = new ConcurrentLinkedQueue<>();

        @Override
        public void consumeMessage(String item) throws Exception {
            got.add(item);
        }

        @Override
        public void stateChanged(CuratorFramework c, ConnectionState s) {}

        List<String> all() {
            return List.copyOf(got);
        }
    }

    /** A consumer that stays with its first item until it is interrupted. */
    private static final class Stuck extends Consumer {
        final CountDownLatch working = new CountDownLatch(1);

        @Override
        public void consumeMessage(String item) throws Exception {
            super.consumeMessage(item);
            working.countDown();
            new CountDownLatch(1).await();
        }
    }

    private static QueueBuilder<String> builder(
            World w, CuratorFramework c, QueueConsumer<String> consumer) {
        return QueueBuilder.builder(c, consumer, TEXT, w.path("queue"));
    }

    private static DistributedQueue<String> queue(
            World w, CuratorFramework c, QueueConsumer<String> consumer, boolean locked)
            throws Exception {
        QueueBuilder<String> b = builder(w, c, consumer);
        DistributedQueue<String> q =
                (locked ? b.lockPath(w.path("lock")) : b).buildQueue();
        q.start();
        return w.use(q);
    }

    /** Two clients put, two take: each item is taken once. */
    private static void contend(World w, boolean locked) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        Consumer[] consumers = {new Consumer(), new Consumer()};
        List<DistributedQueue<String>> queues = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            queues.add(queue(w, clients[i], consumers[i], locked));
        }
        w.together(
                4,
                i -> {
                    for (int n = 0; n < ITEMS; n++) {
                        queues.get(i % 2).put(i + "." + n);
                    }
                });
        w.awaitEqual(
                "items taken",
                4 * ITEMS,
                () -> consumers[0].got.size() + consumers[1].got.size());
        w.awaitEqual("items left", List.of(), () -> w.children(w.path("queue")));
        Set<String> different = new TreeSet<>(consumers[0].got);
        different.addAll(consumers[1].got);
        World.equal("different items taken", different.size(), 4 * ITEMS);
        World.equal(
                "items taken",
                consumers[0].got.size() + consumers[1].got.size(),
                4 * ITEMS);
    }

    /** One consumer takes in the order that one producer put; several at once stay together. */
    private static void order(World w) throws Exception {
        DistributedQueue<String> producer = queue(w, w.client(), null, false);
        List<String> want = new ArrayList<>();
        for (int n = 0; n < ITEMS; n++) {
            producer.put("item" + n);
            want.add("item" + n);
        }
        List<String> several = new ArrayList<>(List.of("one", "two", "three"));
        want.addAll(several);
        producer.putMulti(
                new MultiItem<>() {
                    @Override
                    public String nextItem() {
                        return several.isEmpty() ? null : several.remove(0);
                    }
                });
        World.check(
                producer.flushPuts(w.leftMs(), TimeUnit.MILLISECONDS), "puts are not done");
        World.equal("znodes", w.children(w.path("queue")).size(), ITEMS + 1);
        Consumer consumer = new Consumer();
        queue(w, w.client(), consumer, false);
        w.awaitEqual("items taken", want, consumer::all);
    }

    /** A client is lost with an item in its hands. */
    private interface Lost {
        void lose() throws Exception;
    }

    /** Under a lock, the item a lost client did not finish is given to another. */
    private static void redeliver(World w, CuratorFramework a, Lost lost) throws Exception {
        DistributedQueue<String> producer = queue(w, w.client(), null, true);
        Stuck stuck = new Stuck();
        queue(w, a, stuck, true);
        producer.put("held");
        w.await("the first to take the item", () -> stuck.working.getCount() == 0);
        CuratorFramework b = w.client();
        Consumer second = new Consumer();
        queue(w, b, second, true);
        producer.put("another");
        w.awaitEqual("the second's items", List.of("another"), second::all);
        lost.lose();
        w.await("the lost one's lock to go", () -> w.children(w.path("lock")).isEmpty());
        producer.put("last"); // a queue looks when there is something new
        w.awaitEqual("the second's items", List.of("another", "held", "last"), second::all);
        w.awaitEqual("items left", List.of(), () -> w.children(w.path("queue")));
    }

    private static void failOver(World w) throws Exception {
        CuratorFramework a = w.client();
        redeliver(w, a, a::close);
    }

    private static void outlive(World w) throws Exception {
        World.Link a = w.link();
        redeliver(w, a.client(), () -> a.cable().cut());
        a.cable().mend();
        Consumer again = new Consumer();
        queue(w, a.client(), again, true);
    }

    private static void expire(World w) throws Exception {
        CuratorFramework a = w.client();
        redeliver(w, a, () -> w.renew(a));
        World.check(w.children(w.path("queue")).isEmpty(), "an item is left");
    }

    /** Items have names, by which they are removed before anybody takes them. */
    private static void ids(World w) throws Exception {
        DistributedIdQueue<String> a = w.use(builder(w, w.client(), null).buildIdQueue());
        a.start();
        for (int n = 0; n < 6; n++) {
            a.put("item" + n, "id" + n % 3);
        }
        World.check(a.flushPuts(w.leftMs(), TimeUnit.MILLISECONDS), "puts are not done");
        CuratorFramework b = w.client();
        DistributedIdQueue<String> other = w.use(builder(w, b, null).buildIdQueue());
        other.start();
        World.equal("items removed", other.remove("id1"), 2);
        World.equal("items removed once more", a.remove("id1"), 0);
        Consumer consumer = new Consumer();
        DistributedIdQueue<String> taking = w.use(builder(w, b, consumer).buildIdQueue());
        taking.start();
        w.awaitEqual(
                "items taken", List.of("item0", "item2", "item3", "item5"), consumer::all);
    }

    /** What matters most is taken first, whoever put it. */
    private static void priorities(World w) throws Exception {
        List<String> want = new ArrayList<>();
        putPriorities(w, new CuratorFramework[] {w.client(), w.client()}, want);
        Consumer consumer = new Consumer();
        var taking = w.use(builder(w, w.client(), consumer).buildPriorityQueue(1));
        taking.start();
        w.awaitEqual("items taken", want, consumer::all);
    }

    private static void putPriorities(World w, CuratorFramework[] clients, List<String> want)
            throws Exception {
        List<DistributedPriorityQueue<String>> queues = new ArrayList<>();
        for (CuratorFramework c : clients) {
            queues.add(w.use(builder(w, c, null).buildPriorityQueue(1)));
        }
        for (DistributedPriorityQueue<String> q : queues) {
            q.start();
        }
        for (int n = 0; n < ITEMS; n++) {
            int priority = (n * 7) % ITEMS - ITEMS / 2; // every one once, out of order
            queues.get(n % queues.size()).put("priority" + priority, priority);
            want.add("priority" + (n - ITEMS / 2));
        }
        for (DistributedPriorityQueue<String> q : queues) {
            World.check(q.flushPuts(w.leftMs(), TimeUnit.MILLISECONDS), "puts are not done");
        }
    }

    /** The items stay when the session that put them ends. */
    private static void prioritiesExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        List<String> want = new ArrayList<>();
        putPriorities(w, new CuratorFramework[] {a}, want);
        w.renew(a);
        Consumer consumer = new Consumer();
        var taking = w.use(builder(w, a, consumer).buildPriorityQueue(1));
        taking.start();
        w.awaitEqual("items taken", want, consumer::all);
    }

    /** Notes the time as well. */
    private static final class Clocked extends Consumer {
        final ConcurrentHashMap<String, Long> times = new ConcurrentHashMap<>();

        @Override
        public void consumeMessage(String item) throws Exception {
            times.put(item, System.currentTimeMillis());
            super.consumeMessage(item);
        }
    }

    private static DistributedDelayQueue<String> delayQueue(
            World w, CuratorFramework c, Consumer consumer) throws Exception {
        DistributedDelayQueue<String> q = w.use(builder(w, c, consumer).buildDelayQueue());
        q.start();
        return q;
    }

    /** Items are taken when they are due, in that order, and not before. */
    private static void delays(World w) throws Exception {
        DistributedDelayQueue<String> a = delayQueue(w, w.client(), null);
        DistributedDelayQueue<String> b = delayQueue(w, w.client(), null);
        long now = System.currentTimeMillis();
        long due = now + 1_500;
        a.put("future", due);
        b.put("second", now - 2_000);
        a.put("first", now - 3_000);
        b.put("third", now - 1_000);
        for (DistributedDelayQueue<String> q : List.of(a, b)) {
            World.check(q.flushPuts(w.leftMs(), TimeUnit.MILLISECONDS), "puts are not done");
        }
        Clocked consumer = new Clocked();
        delayQueue(w, w.client(), consumer);
        List<String> want = List.of("first", "second", "third", "future");
        w.awaitEqual("items taken", want, consumer::all);
        long early = due - consumer.times.get("future");
        World.check(early <= 0, "taken %d ms before it was due", early);
    }

    /** A delayed item outlives the client that put it and the one that waited for it. */
    private static void delaysFailOver(World w) throws Exception {
        CuratorFramework a = w.client();
        Clocked first = new Clocked();
        long due = System.currentTimeMillis() + 2_000;
        DistributedDelayQueue<String> q = delayQueue(w, a, first);
        q.put("item", due);
        World.check(q.flushPuts(w.leftMs(), TimeUnit.MILLISECONDS), "puts are not done");
        q.close();
        a.close();
        Clocked second = new Clocked();
        delayQueue(w, w.client(), second);
        w.await("the item", () -> !second.all().isEmpty() || !first.all().isEmpty());
        if (first.all().isEmpty()) {
            World.check(second.times.get("item") >= due, "taken before it was due");
        }
    }

    private static SimpleDistributedQueue simple(World w, CuratorFramework c) {
        return new SimpleDistributedQueue(c, w.path("queue"));
    }

    /** Two threads offer, two take, each item once. */
    private static void simple(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        Set<String> taken = ConcurrentHashMap.newKeySet();
        AtomicInteger takes = new AtomicInteger();
        w.together(
                4,
                i -> {
                    SimpleDistributedQueue q = simple(w, clients[i % 2]);
                    for (int n = 0; n < ITEMS; n++) {
                        if (i < 2) {
                            World.check(q.offer(World.bytes(i + "." + n)), "not offered");
                        } else {
                            taken.add(World.text(q.take()));
                            takes.incrementAndGet();
                        }
                    }
                });
        World.equal("different items taken", taken.size(), 2 * ITEMS);
        World.equal("items taken", takes.get(), 2 * ITEMS);
        World.check(simple(w, clients[0]).poll() == null, "an item is left");
    }

    /** First in is first out, and an empty queue says so. */
    private static void simpleEnds(World w) throws Exception {
        SimpleDistributedQueue a = simple(w, w.client());
        SimpleDistributedQueue b = simple(w, w.client());
        World.check(b.poll() == null && b.peek() == null, "an item in a new queue");
        World.thrown(java.util.NoSuchElementException.class, b::element);
        World.thrown(java.util.NoSuchElementException.class, b::remove);
        for (String item : List.of("first", "second", "third", "fourth")) {
            a.offer(World.bytes(item));
        }
        World.equal("peek", World.text(b.peek()), "first");
        World.equal("element", World.text(b.element()), "first");
        World.equal("remove", World.text(b.remove()), "first");
        World.equal("poll", World.text(a.poll()), "second");
        World.equal("take", World.text(b.take()), "third");
        byte[] last = b.poll(w.leftMs(), TimeUnit.MILLISECONDS);
        World.equal("poll with a time", World.text(last), "fourth");
        World.check(a.poll() == null, "an item is left");
    }

    /** A taker hears of what was offered while its connection was cut. */
    private static void simpleLink(World w) throws Exception {
        World.Link a = w.lastingLink();
        Future<byte[]> taking = w.go(() -> simple(w, a.client()).take());
        SimpleDistributedQueue b = simple(w, w.client());
        b.offer(World.bytes("first"));
        World.equal("taken", World.text(w.get(taking, "the item")), "first");
        Future<byte[]> again = w.go(() -> simple(w, a.client()).take());
        a.cable().cut();
        b.offer(World.bytes("second"));
        World.check(!again.isDone(), "taken without a connection");
        a.cable().mend();
        World.equal("taken", World.text(w.get(again, "the item")), "second");
    }

    private static void simpleExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        Future<byte[]> taking = w.go(() -> simple(w, a).take());
        CuratorFramework b = w.client();
        w.renew(a);
        World.check(!taking.isDone(), "took an item from an empty queue");
        simple(w, b).offer(World.bytes("item"));
        World.equal("taken", World.text(w.get(taking, "the item")), "item");
    }
}
