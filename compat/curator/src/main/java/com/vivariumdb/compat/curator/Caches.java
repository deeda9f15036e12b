package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheBridge;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.utils.ZKPaths;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;

/** Copies of znodes that a client keeps up to date while others change them. */
final class Caches {
    private Caches() {}

    /** A cache of some kind, as the znodes it holds. */
    private interface View {
        Map<String, String> holds() throws Exception;
    }

    /** Starts a cache of some kind. */
    private interface Start {
        View start(World w, CuratorFramework client, String root) throws Exception;
    }

    /** How much of the tree below its root a kind of cache holds. */
    private enum Depth {
        NODE,
        CHILDREN,
        TREE;

        boolean holds(String root, String path) {
            return switch (this) {
                case NODE -> path.equals(root);
                case CHILDREN -> ZKPaths.getPathAndNode(path).getPath().equals(root);
                case TREE -> true;
            };
        }
    }

    static List<Scenario> all() {
        List<Scenario> all = new ArrayList<>();
        family(all, "PathChildrenCache", Depth.CHILDREN, Caches::pathChildren);
        family(all, "NodeCache", Depth.NODE, Caches::node);
        family(all, "TreeCache", Depth.TREE, Caches::tree);
        family(all, "CuratorCache", Depth.TREE, Caches::curator);
        family(all, "CuratorCache.single", Depth.NODE, Caches::single);
        family(all, "CuratorCacheBridge", Depth.TREE, Caches::bridge);
        all.add(new Scenario("CuratorCache/events", Caches::events));
        all.add(new Scenario("CuratorCache/ephemerals", Caches::ephemerals));
        return all;
    }

    private static void family(List<Scenario> all, String name, Depth depth, Start start) {
        all.add(new Scenario(name + "/contend", w -> contend(w, depth, start)));
        all.add(
                new Scenario(
                        name + "/interrupted-link",
                        w -> {
                            World.Link a = w.lastingLink();
                            Deed cut = () -> a.cable().cut();
                            lose(w, depth, start, a.client(), cut, () -> a.cable().mend());
                        }));
        all.add(
                new Scenario(
                        name + "/outlive",
                        w -> {
                            World.Link a = w.link();
                            String mark = w.path("mark");
                            CreateMode ephemeral = CreateMode.EPHEMERAL;
                            Deed cut =
                                    () -> {
                                        a.client().create().withMode(ephemeral).forPath(mark);
                                        a.cable().cut();
                                        w.await("the session's end", () -> !w.exists(mark));
                                    };
                            lose(w, depth, start, a.client(), cut, () -> a.cable().mend());
                        }));
        all.add(
                new Scenario(
                        name + "/expire",
                        w -> {
                            CuratorFramework a = w.client();
                            lose(w, depth, start, a, () -> w.renew(a), () -> {});
                        }));
    }

    private static View pathChildren(World w, CuratorFramework c, String root) throws Exception {
        PathChildrenCache cache = w.use(new PathChildrenCache(c, root, true));
        cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        return () -> hold(cache.getCurrentData());
    }

    private static View node(World w, CuratorFramework c, String root) throws Exception {
        NodeCache cache = w.use(new NodeCache(c, root));
        cache.start(true);
        return () -> {
            ChildData data = cache.getCurrentData();
            return hold(data == null ? List.of() : List.of(data));
        };
    }

    /**
     * The cache is of the znode above, which nobody deletes: a TreeCache whose own root is created
     * and deleted again before it has looked at it asks for nothing any more (Curator 5.9.0).
     */
    private static View tree(World w, CuratorFramework c, String root) throws Exception {
        TreeCache cache = w.use(new TreeCache(c, ZKPaths.getPathAndNode(root).getPath()));
        cache.start();
        return () -> {
            List<ChildData> all = new ArrayList<>();
            try {
                cache.iterator().forEachRemaining(all::add);
            } catch (NoSuchElementException e) { // its tree changed under the iterator
                return hold(List.of());
            }
            all.removeIf(d -> !(d.getPath() + "/").startsWith(root + "/"));
            return hold(all);
        };
    }

    private static View curator(World w, CuratorFramework c, String root) {
        CuratorCache cache = w.use(CuratorCache.build(c, root));
        cache.start();
        return () -> hold(cache.stream().toList());
    }

    private static View single(World w, CuratorFramework c, String root) {
        CuratorCache cache =
                w.use(CuratorCache.build(c, root, CuratorCache.Options.SINGLE_NODE_CACHE));
        cache.start();
        return () -> hold(cache.stream().toList());
    }

    private static View bridge(World w, CuratorFramework c, String root) {
        CuratorCacheBridge cache = w.use(CuratorCache.bridgeBuilder(c, root).build());
        World.check(cache.isCuratorCache(), "the server has no persistent watches");
        cache.start();
        return () -> hold(cache.stream().toList());
    }

    private static Map<String, String> hold(List<ChildData> data) {
        return new TreeMap<>(
                data.stream()
                        .collect(
                                Collectors.toMap(
                                        ChildData::getPath,
                                        d ->
                                                World.text(d.getData())
                                                        + " version "
                                                        + d.getStat().getVersion())));
    }

    /** What a cache of that depth is to hold, read from the server. */
    private static Map<String, String> really(World w, Depth depth, String root)
            throws Exception {
        Map<String, String> all = new TreeMap<>();
        read(w, depth, root, root, all);
        return all;
    }

    private static void read(
            World w, Depth depth, String root, String path, Map<String, String> into)
            throws Exception {
        String data = w.text(path);
        if (data == null) {
            return;
        }
        if (depth.holds(root, path)) {
            int version = w.observer().checkExists().forPath(path).getVersion();
            into.put(path, data + " version " + version);
        }
        for (String child : w.children(path)) {
            read(w, depth, root, ZKPaths.makePath(path, child), into);
        }
    }

    /**
     * Changes the tree below root at random: creates, changes and deletes. The root as well, but
     * not under a PathChildrenCache: that gives up, with no watch left, if twice in a row the root
     * it made is gone before it lists it (PathChildrenCache.refresh, NO_NODE_EXCEPTION).
     */
    private static void churn(
            CuratorFramework c, Depth depth, String root, long seed, int steps)
            throws Exception {
        Random random = new Random(seed);
        for (int i = 0; i < steps; i++) {
            String path = root;
            for (int below = random.nextInt(4); below > 0; below--) {
                path = ZKPaths.makePath(path, "n" + random.nextInt(3));
            }
            byte[] data = World.bytes(seed + "." + i);
            try {
                switch (random.nextInt(4)) {
                    case 0 -> {
                        if (depth == Depth.CHILDREN && path.equals(root)) {
                            continue;
                        }
                        c.delete().deletingChildrenIfNeeded().forPath(path);
                    }
                    case 1 -> c.setData().forPath(path, data);
                    default -> c.create().creatingParentsIfNeeded().forPath(path, data);
                }
            } catch (KeeperException.NodeExistsException
                    | KeeperException.NotEmptyException
                    | KeeperException.NoNodeException e) {
                // Another change was there before; what counts is what is there in the end.
            }
        }
    }

    /** Ends a churn with something in place, so that an empty cache is never right. */
    private static void settle(CuratorFramework c, String root, String mark) throws Exception {
        c.create().orSetData().creatingParentsIfNeeded().forPath(root, World.bytes(mark));
        String child = ZKPaths.makePath(root, "last");
        c.create().orSetData().forPath(child, World.bytes(mark));
        String below = ZKPaths.makePath(child, "below");
        c.create().orSetData().forPath(below, World.bytes(mark));
    }

    private static void same(World w, String when, Depth depth, String root, View... views)
            throws Exception {
        Map<String, String> want = really(w, depth, root);
        World.check(!want.isEmpty(), "nothing to hold");
        for (View v : views) {
            w.awaitEqual("the cache " + when, want, v::holds);
        }
    }

    /** Two clients change the same znodes; the caches of both become what is there. */
    private static void contend(World w, Depth depth, Start start) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        String root = w.path("root");
        settle(clients[0], root, "before");
        View[] views = {start.start(w, clients[0], root), start.start(w, clients[1], root)};
        same(w, "at first", depth, root, views);
        for (int round = 0; round < 3; round++) {
            int seed = 10 * round;
            w.together(2, i -> churn(clients[i], depth, root, seed + i, 40));
            settle(clients[round % 2], root, "round " + round);
            same(w, "after round " + round, depth, root, views);
        }
    }

    /** What is done to a client. */
    private interface Deed {
        void run() throws Exception;
    }

    /** What others change while a client is lost is in its cache when it is back. */
    private static void lose(
            World w, Depth depth, Start start, CuratorFramework a, Deed lose, Deed back)
            throws Exception {
        CuratorFramework b = w.client();
        String root = w.path("root");
        settle(b, root, "before");
        View view = start.start(w, a, root);
        same(w, "before", depth, root, view);
        lose.run();
        churn(b, depth, root, 1, 40);
        settle(b, root, "while it was lost");
        back.run();
        same(w, "when it is back", depth, root, view);
        churn(b, depth, root, 2, 40);
        settle(b, root, "after");
        same(w, "afterwards", depth, root, view);
    }

    /** A listener hears of each change of another client, once and in its order. */
    private static void events(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root, World.bytes("0"));
        ConcurrentLinkedQueue<String> heard = new ConcurrentLinkedQueue<>();
        CuratorCache cache = w.use(CuratorCache.build(a, root));
        cache.listenable()
                .addListener(
                        CuratorCacheListener.builder()
                                .forCreates(d -> heard.add("created " + tell(root, d)))
                                .forChanges((o, d) -> heard.add("changed " + tell(root, d)))
                                .forDeletes(d -> heard.add("deleted " + tell(root, d)))
                                .forInitialized(() -> heard.add("initialized"))
                                .build());
        cache.start();
        List<String> want = new ArrayList<>(List.of("created =0", "initialized"));
        w.awaitEqual("events", want, () -> List.copyOf(heard));
        for (int i = 1; i <= 5; i++) {
            // A cache may leave out a state that was over when it looked: wait for each.
            b.create().forPath(root + "/x", World.bytes(i));
            want.add("created /x=" + i);
            w.awaitEqual("events", want, () -> List.copyOf(heard));
            b.create().forPath(root + "/x/y", World.bytes(i));
            want.add("created /x/y=" + i);
            w.awaitEqual("events", want, () -> List.copyOf(heard));
            b.setData().forPath(root + "/x/y", World.bytes(-i));
            want.add("changed /x/y=" + -i);
            w.awaitEqual("events", want, () -> List.copyOf(heard));
            b.delete().deletingChildrenIfNeeded().forPath(root + "/x");
            want.add("deleted /x/y=" + -i);
            want.add("deleted /x=" + i);
            w.awaitEqual("events", want, () -> List.copyOf(heard));
        }
    }

    private static String tell(String root, ChildData d) {
        return d.getPath().substring(root.length()) + "=" + World.text(d.getData());
    }

    /** Another's ephemerals leave the cache when its session ends. */
    private static void ephemerals(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        CuratorFramework c = w.client();
        String root = w.path("root");
        a.create().forPath(root);
        View view = curator(w, a, root);
        b.create().withMode(CreateMode.EPHEMERAL).forPath(root + "/b", World.bytes("b"));
        c.create().withMode(CreateMode.EPHEMERAL).forPath(root + "/c", World.bytes("c"));
        w.awaitEqual("znodes in the cache", 3, () -> view.holds().size());
        b.close();
        w.awaitEqual("znodes in the cache", 2, () -> view.holds().size());
        w.expire(c);
        w.awaitEqual("znodes in the cache", 1, () -> view.holds().size());
        same(w, "at last", Depth.TREE, root, view);
    }
}
