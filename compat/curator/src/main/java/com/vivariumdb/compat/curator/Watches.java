package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.WatcherRemoveCuratorFramework;
import org.apache.curator.framework.api.CuratorWatcher;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;

/** Watches, of one event or of all, and what becomes of them when the client is lost. */
final class Watches {
    private Watches() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("PersistentWatcher/contend", Watches::persistent),
                new Scenario("PersistentWatcher/recursive", Watches::recursive),
                new Scenario("PersistentWatcher/interrupted-link", Watches::interruptedLink),
                new Scenario("PersistentWatcher/outlive", Watches::outlive),
                new Scenario("PersistentWatcher/expire", Watches::expire),
                new Scenario("Watcher/contend", Watches::oneShot),
                new Scenario("Watcher/interrupted-link", Watches::missed),
                new Scenario("Watcher/persistent-interrupted-link", Watches::kept),
                new Scenario("Watcher/remove", Watches::remove),
                new Scenario("WatcherRemoveCuratorFramework/remove", Watches::removeAll));
    }

    /** The events that a watch was told, in their order, without those of connections. */
    private static final class Heard implements Watcher, CuratorWatcher {
        private final ConcurrentLinkedQueue<String> events = new ConcurrentLinkedQueue<>();
        private final String root;

        Heard(String root) {
            this.root = root;
        }

        @Override
        public void process(WatchedEvent e) {
            if (e.getType() != EventType.None) {
                events.add(e.getType() + " " + e.getPath().substring(root.length()));
            }
        }

        List<String> all() {
            return List.copyOf(events);
        }
    }

    private static PersistentWatcher watch(
            World w, CuratorFramework c, String root, boolean recursive, Heard heard) {
        PersistentWatcher watcher = new PersistentWatcher(c, root, recursive);
        watcher.getListenable().addListener(heard);
        return w.use(watcher);
    }

    /** Starts a watcher and returns when the server has it. */
    private static AtomicInteger start(World w, PersistentWatcher watcher) throws Exception {
        AtomicInteger set = new AtomicInteger();
        watcher.getResetListenable().addListener(set::incrementAndGet);
        watcher.start();
        w.await("the watch to be set", () -> set.get() > 0);
        return set;
    }

    /** Changes everything a watch can tell, and returns what a recursive one is to tell of it. */
    private static List<String> change(CuratorFramework c, String root) throws Exception {
        c.create().forPath(root + "/x");
        c.create().forPath(root + "/x/y");
        c.setData().forPath(root + "/x/y", World.bytes(1));
        c.setData().forPath(root, World.bytes(2));
        c.delete().forPath(root + "/x/y");
        c.delete().forPath(root + "/x");
        return List.of(
                "NodeCreated /x",
                "NodeCreated /x/y",
                "NodeDataChanged /x/y",
                "NodeDataChanged ",
                "NodeDeleted /x/y",
                "NodeDeleted /x");
    }

    /** A persistent watch tells of the znode and its children, each time, and both clients. */
    private static void persistent(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String root = w.path("root");
        Heard first = new Heard(root);
        Heard second = new Heard(root);
        start(w, watch(w, a, root, false, first));
        start(w, watch(w, b, root, false, second));
        List<String> want = new ArrayList<>();
        for (CuratorFramework c : List.of(a, b, w.observer())) {
            c.create().forPath(root);
            change(c, root);
            c.delete().forPath(root);
            want.addAll(
                    List.of(
                            "NodeCreated ",
                            "NodeChildrenChanged ",
                            "NodeDataChanged ",
                            "NodeChildrenChanged ",
                            "NodeDeleted "));
            w.awaitEqual("the first's events", want, first::all);
            w.awaitEqual("the second's events", want, second::all);
        }
    }

    private static void recursive(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root);
        Heard heard = new Heard(root);
        PersistentWatcher watcher = watch(w, a, root, true, heard);
        start(w, watcher);
        List<String> want = new ArrayList<>();
        for (int round = 0; round < 3; round++) {
            want.addAll(change(b, root));
            w.awaitEqual("events", want, heard::all);
        }
        // Closed, it is silent: a later watch of the same client hears, it does not.
        watcher.close();
        Heard later = new Heard(root);
        start(w, watch(w, a, root, true, later));
        List<String> again = change(b, root);
        w.awaitEqual("the later watch's events", again, later::all);
        w.awaitEqual("events", want, heard::all);
    }

    private static void interruptedLink(World w) throws Exception {
        World.Link a = w.lastingLink();
        lose(w, a.client(), () -> a.cable().interrupt());
    }

    private static void outlive(World w) throws Exception {
        World.Link a = w.link();
        String mark = w.path("mark");
        lose(
                w,
                a.client(),
                () -> {
                    a.client()
                            .create()
                            .withMode(org.apache.zookeeper.CreateMode.EPHEMERAL)
                            .forPath(mark);
                    a.cable().cut();
                    w.await("the session's end", () -> !w.exists(mark));
                    a.cable().mend();
                });
    }

    private static void expire(World w) throws Exception {
        CuratorFramework a = w.client();
        lose(w, a, () -> w.renew(a));
    }

    /** What is done to a client. */
    private interface Deed {
        void run() throws Exception;
    }

    /** A watch whose client was lost is set again, and hears what happens from then on. */
    private static void lose(World w, CuratorFramework a, Deed deed) throws Exception {
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root);
        Heard heard = new Heard(root);
        AtomicInteger set = start(w, watch(w, a, root, true, heard));
        List<String> want = new ArrayList<>(change(b, root));
        w.awaitEqual("events", want, heard::all);
        int before = set.get();
        deed.run();
        w.await("the watch to be set again", () -> set.get() > before);
        want.addAll(change(b, root));
        w.awaitEqual("events", want, heard::all);
    }

    /** A one-shot watch tells once. */
    private static void oneShot(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root);
        Heard data = new Heard(root);
        Heard children = new Heard(root);
        Heard exists = new Heard(root);
        for (int round = 1; round <= 3; round++) {
            int want = round;
            a.getData().usingWatcher((CuratorWatcher) data).forPath(root);
            a.getChildren().usingWatcher((CuratorWatcher) children).forPath(root);
            a.checkExists().usingWatcher((CuratorWatcher) exists).forPath(root + "/x");
            change(b, root);
            w.awaitEqual("events of data", want, () -> data.all().size());
            w.awaitEqual("events of children", want, () -> children.all().size());
            w.awaitEqual("events of existence", want, () -> exists.all().size());
        }
        World.check(data.all().stream().allMatch("NodeDataChanged "::equals), "%s", data.all());
        World.check(
                children.all().stream().allMatch("NodeChildrenChanged "::equals),
                "%s",
                children.all());
        World.check(exists.all().stream().allMatch("NodeCreated /x"::equals), "%s", exists.all());
    }

    /** What one-shot watches missed while there was no connection is told afterwards. */
    private static void missed(World w) throws Exception {
        World.Link a = w.lastingLink();
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root);
        b.create().forPath(root + "/gone");
        b.create().forPath(root + "/same");
        Heard heard = new Heard(root);
        a.client().getData().usingWatcher((CuratorWatcher) heard).forPath(root);
        a.client().getData().usingWatcher((CuratorWatcher) heard).forPath(root + "/gone");
        a.client().getData().usingWatcher((CuratorWatcher) heard).forPath(root + "/same");
        a.client().checkExists().usingWatcher((CuratorWatcher) heard).forPath(root + "/new");
        a.cable().cut();
        b.setData().forPath(root, World.bytes("changed"));
        b.delete().forPath(root + "/gone");
        b.create().forPath(root + "/new");
        World.check(heard.all().isEmpty(), "heard %s without a connection", heard.all());
        a.cable().mend();
        List<String> want = List.of("NodeCreated /new", "NodeDataChanged ", "NodeDeleted /gone");
        w.awaitEqual("events missed", want, () -> heard.all().stream().sorted().toList());
        // The watch of what did not change is still there.
        b.setData().forPath(root + "/same", World.bytes("changed"));
        w.await("the last event", () -> heard.all().contains("NodeDataChanged /same"));
        World.equal("events", heard.all().size(), 4);
    }

    /** The client's own persistent watches outlive a connection, without Curator's help. */
    private static void kept(World w) throws Exception {
        World.Link a = w.lastingLink();
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root);
        Heard heard = new Heard(root);
        a.client()
                .watchers()
                .add()
                .withMode(AddWatchMode.PERSISTENT_RECURSIVE)
                .usingWatcher((Watcher) heard)
                .forPath(root);
        List<String> want = new ArrayList<>();
        for (int round = 0; round < 3; round++) {
            want.addAll(change(b, root));
            w.awaitEqual("events", want, heard::all);
            a.cable().interrupt();
            // Answered on the new connection, after its watches are set.
            a.client().checkExists().forPath(root);
        }
    }

    /** A removed watch is silent, and removing it once more is refused. */
    private static void remove(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root);
        Heard removed = new Heard(root);
        Heard stays = new Heard(root);
        a.getData().usingWatcher((Watcher) removed).forPath(root);
        a.getChildren().usingWatcher((Watcher) stays).forPath(root);
        a.watchers().remove((Watcher) removed).forPath(root);
        World.thrown(
                KeeperException.NoWatcherException.class,
                () -> a.watchers().remove((Watcher) removed).forPath(root));
        b.setData().forPath(root, World.bytes("changed"));
        b.create().forPath(root + "/x");
        w.awaitEqual("events", List.of("NodeChildrenChanged "), stays::all);
        a.sync().forPath(root);
        World.equal("events after removal", removed.all(), removals(removed));
    }

    /** What a watcher is told of its own removal, and nothing else. */
    private static List<String> removals(Heard h) {
        return h.all().stream().filter(e -> e.contains("WatchRemoved")).toList();
    }

    /** All watches set through one view of a client are removed; the client's others stay. */
    private static void removeAll(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String root = w.path("root");
        b.create().forPath(root);
        b.create().forPath(root + "/one");
        Heard removed = new Heard(root);
        Heard stays = new Heard(root);
        WatcherRemoveCuratorFramework view = a.newWatcherRemoveCuratorFramework();
        view.getData().usingWatcher((CuratorWatcher) removed).forPath(root);
        view.getChildren().usingWatcher((CuratorWatcher) removed).forPath(root);
        view.getData().usingWatcher((CuratorWatcher) removed).forPath(root + "/one");
        view.checkExists().usingWatcher((CuratorWatcher) removed).forPath(root + "/two");
        a.getChildren().usingWatcher((CuratorWatcher) stays).forPath(root + "/one");
        view.removeWatchers(); // in the background: a later request comes after
        a.sync().forPath(root);
        b.setData().forPath(root, World.bytes("changed"));
        b.setData().forPath(root + "/one", World.bytes("changed"));
        b.create().forPath(root + "/two");
        b.create().forPath(root + "/one/x");
        w.awaitEqual("events", List.of("NodeChildrenChanged /one"), stays::all);
        World.equal("events after removal", removed.all(), removals(removed));
    }
}
