package com.vivariumdb.compat.curator;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.api.transaction.CuratorOp;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.x.async.AsyncCuratorFramework;
import org.apache.curator.x.async.AsyncStage;
import org.apache.curator.x.async.AsyncWrappers;
import org.apache.curator.x.async.migrations.Migration;
import org.apache.curator.x.async.migrations.MigrationException;
import org.apache.curator.x.async.migrations.MigrationManager;
import org.apache.curator.x.async.migrations.MigrationSet;
import org.apache.curator.x.async.modeled.JacksonModelSerializer;
import org.apache.curator.x.async.modeled.ModelSpec;
import org.apache.curator.x.async.modeled.ModeledFramework;
import org.apache.curator.x.async.modeled.ZNode;
import org.apache.curator.x.async.modeled.ZPath;
import org.apache.curator.x.async.modeled.cached.CachedModeledFramework;
import org.apache.curator.x.async.modeled.versioned.Versioned;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;

/** Curator's asynchronous face: stages, typed znodes, and migrations of a tree. */
final class Async {
    private Async() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("Async/stages", Async::stages),
                new Scenario("Async/locks", Async::locks),
                new Scenario("Modeled/contend", Async::modeled),
                new Scenario("Modeled/cached-expire", Async::cached),
                new Scenario("Migrations/contend", Async::migrations),
                new Scenario("Migrations/refused", Async::migrationsRefused));
    }

    private static <T> T get(World w, CompletionStage<T> stage) throws Exception {
        return w.get(stage.toCompletableFuture(), "a stage");
    }

    /** Stages end with results, with errors, and with what watches are told. */
    private static void stages(World w) throws Exception {
        AsyncCuratorFramework a = AsyncCuratorFramework.wrap(w.client());
        AsyncCuratorFramework b = AsyncCuratorFramework.wrap(w.client());
        String path = w.path("node");
        AsyncStage<org.apache.zookeeper.data.Stat> none = a.watched().checkExists().forPath(path);
        World.check(get(w, none) == null, "there already");
        World.equal("made", get(w, b.create().forPath(path, World.bytes("1"))), path);
        WatchedEvent event = get(w, none.event());
        World.equal("the event", event.getType() + " " + event.getPath(), "NodeCreated " + path);
        World.thrown(
                KeeperException.NodeExistsException.class, () -> get(w, a.create().forPath(path)));
        AsyncStage<byte[]> data = a.watched().getData().forPath(path);
        World.equal("the data", World.text(get(w, data)), "1");
        get(w, b.setData().forPath(path, World.bytes("2")));
        World.equal(
                "the event", get(w, data.event()).getType().toString(), "NodeDataChanged");
        get(w, AsyncWrappers.asyncEnsureContainers(a, path + "/x/y"));
        get(w, b.setData().forPath(path + "/x/y", World.bytes("3")));
        Map<String, byte[]> children = get(w, AsyncWrappers.childrenWithData(a, path + "/x"));
        World.equal("children", children.keySet(), java.util.Set.of(path + "/x/y"));
        World.equal("its data", World.text(children.get(path + "/x/y")), "3");
    }

    /** Locks got and released as stages bear one at a time. */
    private static void locks(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        Section section = new Section(w, 1);
        w.together(
                4,
                i -> {
                    // A lock belongs to the thread that got it.
                    ExecutorService one = Executors.newSingleThreadExecutor();
                    InterProcessMutex lock =
                            new InterProcessMutex(clients[i % 2], w.path("lock"));
                    try {
                        for (int round = 0; round < 5; round++) {
                            Runnable pass = () -> through(section, lock, clients[i % 2]);
                            var held = AsyncWrappers.lockAsync(lock, one);
                            get(w, held.thenRunAsync(pass, one));
                        }
                    } finally {
                        one.shutdownNow();
                    }
                });
        section.verify(20);
    }

    private static void through(Section section, InterProcessMutex lock, CuratorFramework c) {
        try {
            section.pass(c);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        } finally {
            AsyncWrappers.release(lock);
        }
    }

    private static ModeledFramework<Integer> numbers(World w, CuratorFramework c) {
        ModelSpec<Integer> spec =
                ModelSpec.builder(
                                ZPath.parse(w.path("numbers")),
                                JacksonModelSerializer.build(Integer.class))
                        .build();
        return ModeledFramework.wrap(AsyncCuratorFramework.wrap(c), spec);
    }

    /** Typed znodes, changed by version from two clients; no change is lost. */
    private static void modeled(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        get(w, numbers(w, clients[0]).child("n").set(0));
        w.together(
                4,
                i -> {
                    var n = numbers(w, clients[i % 2]).child("n");
                    for (int done = 0; done < 8; ) {
                        Versioned<Integer> now = get(w, n.versioned().read());
                        try {
                            var next = Versioned.from(now.model() + 1, now.version());
                            get(w, n.versioned().update(next));
                            done++;
                        } catch (KeeperException.BadVersionException e) {
                            World.check(w.leftMs() > 0, "no time left");
                        }
                    }
                });
        World.equal("the sum", get(w, numbers(w, clients[1]).child("n").read()), 32);
    }

    /** A typed cache follows another's changes, before and after its session ends. */
    private static void cached(World w) throws Exception {
        CuratorFramework a = w.client();
        ModeledFramework<Integer> theirs = numbers(w, w.client());
        get(w, theirs.set(0));
        CachedModeledFramework<Integer> mine = w.use(numbers(w, a).cached());
        mine.start();
        Map<String, Integer> want = new TreeMap<>();
        for (int i = 1; i <= 4; i++) {
            get(w, theirs.child("c" + i).set(i));
            get(w, theirs.child("c1").set(10 * i));
            want.put("c" + i, i);
            want.put("c1", 10 * i);
            if (i > 2) {
                get(w, theirs.child("c2").delete());
                want.remove("c2");
                get(w, theirs.child("c2").set(100));
                want.put("c2", 100);
            }
            w.awaitEqual("typed znodes", want, () -> held(w, mine));
            if (i == 2) {
                w.renew(a);
            }
        }
    }

    private static Map<String, Integer> held(World w, CachedModeledFramework<Integer> cache) {
        Map<String, Integer> held = new TreeMap<>();
        // The cache gives the znode itself among its children.
        for (Map.Entry<ZPath, ZNode<Integer>> e :
                cache.cache().currentChildren(ZPath.parse(w.path("numbers"))).entrySet()) {
            if (!e.getKey().fullPath().equals(w.path("numbers"))) {
                held.put(e.getKey().nodeName(), e.getValue().model());
            }
        }
        return held;
    }

    private static MigrationManager manager(World w, CuratorFramework c, ExecutorService e) {
        return new MigrationManager(
                AsyncCuratorFramework.wrap(c),
                w.path("lock"),
                w.path("meta"),
                e,
                Duration.ofMillis(w.leftMs()));
    }

    private static Migration creates(CuratorFramework c, String path) throws Exception {
        CuratorOp create = c.transactionOp().create().forPath(path, World.bytes("made"));
        return () -> List.of(create);
    }

    /** Clients that migrate at the same time do each step once. */
    private static void migrations(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        ExecutorService threads = Executors.newCachedThreadPool(World.daemons("migrate"));
        w.use(threads::shutdownNow);
        Migration one = creates(clients[0], w.path("one"));
        Migration two = creates(clients[0], w.path("two"));
        CuratorOp delete = clients[0].transactionOp().delete().forPath(w.path("one"));
        CuratorOp set = clients[0].transactionOp().setData().forPath(w.path("two"));
        Migration three = () -> List.of(delete, set);
        for (List<Migration> steps : List.of(List.of(one, two), List.of(one, two, three))) {
            w.together(
                    4,
                    i ->
                            get(
                                    w,
                                    manager(w, clients[i % 2], threads)
                                            .migrate(MigrationSet.build("set", steps))));
        }
        World.check(!w.exists(w.path("one")), "the last step was not done");
        World.equal("the steps' marks", w.children(w.path("meta/set")).size(), 3);
        World.equal(
                "changes",
                w.observer().checkExists().forPath(w.path("two")).getVersion(),
                1);
    }

    /** A set whose steps are not those that were done is refused, and nothing of it is done. */
    private static void migrationsRefused(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        ExecutorService threads = Executors.newCachedThreadPool(World.daemons("migrate"));
        w.use(threads::shutdownNow);
        Migration one = creates(a, w.path("one"));
        Migration other = creates(b, w.path("other"));
        get(w, manager(w, a, threads).migrate(MigrationSet.build("set", List.of(one))));
        World.thrown(
                MigrationException.class,
                () ->
                        get(
                                w,
                                manager(w, b, threads)
                                        .migrate(
                                                MigrationSet.build(
                                                        "set", List.of(other, one)))));
        World.check(!w.exists(w.path("other")), "a refused step was done");
    }
}
