package com.vivariumdb.compat.curator;

import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.zookeeper.CreateMode;

/** Znodes that stay as long as somebody wants them to, and groups made of them. */
final class Nodes {
    private Nodes() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("PersistentNode/contend", Nodes::contend),
                new Scenario("PersistentNode/deleted", Nodes::deleted),
                new Scenario("PersistentNode/interrupted-link", Nodes::interruptedLink),
                new Scenario("PersistentNode/outlive", Nodes::outlive),
                new Scenario("PersistentNode/expire", Nodes::expire),
                new Scenario("PersistentNode/sequential", Nodes::sequential),
                new Scenario("PersistentTtlNode/kept", Nodes::ttlKept),
                new Scenario("PersistentTtlNode/failover", Nodes::ttlFailOver),
                new Scenario("PersistentTtlNode/outlive", Nodes::ttlOutlive),
                new Scenario("PersistentTtlNode/expire", Nodes::ttlExpire),
                new Scenario("GroupMember/contend", Nodes::members),
                new Scenario("GroupMember/outlive", Nodes::memberOutlives),
                new Scenario("GroupMember/expire", Nodes::memberExpires));
    }

    private static PersistentNode keep(World w, CuratorFramework c, String data)
            throws Exception {
        PersistentNode node =
                new PersistentNode(
                        c, CreateMode.EPHEMERAL, false, w.path("node"), World.bytes(data));
        node.start();
        return w.use(node);
    }

    private static void created(World w, PersistentNode node) throws Exception {
        World.check(
                node.waitForInitialCreate(w.leftMs(), TimeUnit.MILLISECONDS), "not created");
    }

    private static void owned(World w, CuratorFramework c) throws Exception {
        w.await("the znode to be of the client's session", () -> isOwned(w, c));
    }

    private static boolean isOwned(World w, CuratorFramework c) throws Exception {
        return w.owner(w.path("node")) == World.session(c);
    }

    /** Two want the same znode: one has it, and when that one goes the other. */
    private static void contend(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        PersistentNode first = keep(w, a, "a");
        created(w, first);
        owned(w, a);
        PersistentNode second = keep(w, b, "b");
        created(w, second);
        World.check(isOwned(w, a), "the second took the first one's znode");
        first.close();
        owned(w, b);
        w.awaitEqual("the data", "b", () -> w.text(w.path("node")));
        keep(w, a, "a again");
        b.close();
        owned(w, a);
        w.awaitEqual("the data", "a again", () -> w.text(w.path("node")));
    }

    /** Another deletes the znode, and it is back; closed, it is gone for good. */
    private static void deleted(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        PersistentNode node = keep(w, a, "first");
        created(w, node);
        for (int round = 0; round < 3; round++) {
            long created = b.checkExists().forPath(w.path("node")).getCzxid();
            b.delete().forPath(w.path("node"));
            w.await(
                    "another znode",
                    () -> {
                        var stat = b.checkExists().forPath(w.path("node"));
                        return stat != null && stat.getCzxid() > created;
                    });
            World.check(isOwned(w, a), "the znode is another's");
        }
        node.setData(World.bytes("second"));
        w.awaitEqual("the data", "second", () -> w.text(w.path("node")));
        b.delete().forPath(w.path("node"));
        w.awaitEqual("the data", "second", () -> w.text(w.path("node")));
        node.close();
        w.await("the znode to go", () -> !w.exists(w.path("node")));
    }

    /** A connection that is back in time changes nothing: the very same znode is there. */
    private static void interruptedLink(World w) throws Exception {
        World.Link a = w.lastingLink();
        PersistentNode node = keep(w, a.client(), "first");
        created(w, node);
        long created = w.observer().checkExists().forPath(w.path("node")).getCzxid();
        a.cable().interrupt();
        node.setData(World.bytes("second"));
        w.awaitEqual("the data", "second", () -> w.text(w.path("node")));
        World.equal(
                "the znode's zxid",
                w.observer().checkExists().forPath(w.path("node")).getCzxid(),
                created);
        World.check(isOwned(w, a.client()), "the znode is another's");
        // The watch is in place as well.
        w.observer().delete().forPath(w.path("node"));
        owned(w, a.client());
    }

    /** The znode goes with the session, and comes back with the client. */
    private static void outlive(World w) throws Exception {
        World.Link a = w.link();
        created(w, keep(w, a.client(), "a"));
        long session = World.session(a.client());
        owned(w, a.client());
        a.cable().cut();
        w.await("the znode to go with its session", () -> !w.exists(w.path("node")));
        a.cable().mend();
        w.await("the znode to be back", () -> w.exists(w.path("node")));
        owned(w, a.client());
        World.check(w.owner(w.path("node")) != session, "an ended session has a znode");
        World.equal("the data", w.text(w.path("node")), "a");
    }

    private static void expire(World w) throws Exception {
        CuratorFramework a = w.client();
        created(w, keep(w, a, "a"));
        for (int round = 0; round < 3; round++) {
            long session = World.session(a);
            w.renew(a);
            w.await("the znode to be back", () -> w.exists(w.path("node")));
            owned(w, a);
            World.check(w.owner(w.path("node")) != session, "an ended session has a znode");
        }
    }

    /** A sequential znode, protected: one at a time, whatever happens. */
    private static void sequential(World w) throws Exception {
        CuratorFramework a = w.client();
        PersistentNode node =
                new PersistentNode(
                        a,
                        CreateMode.EPHEMERAL_SEQUENTIAL,
                        true,
                        w.path("top") + "/node-",
                        World.bytes("a"));
        node.start();
        w.use(node);
        created(w, node);
        String first = node.getActualPath();
        World.check(first.matches(".*-node-\\d{10}"), "a strange name: %s", first);
        w.renew(a);
        w.await(
                "the znode to be of the new session",
                () -> {
                    List<String> names = w.children(w.path("top"));
                    return names.size() == 1
                            && w.owner(w.path("top") + "/" + names.get(0)) == World.session(a);
                });
        w.awaitEqual(
                "its name",
                w.children(w.path("top")),
                () -> List.of(node.getActualPath().substring(w.path("top").length() + 1)));
    }

    /** The time a TTL znode lives when nobody touches it; looked at twice a second. */
    private static final long TTL_MS = 2_000;

    /** How often a keeper touches: a keeper that is late for once is not too late yet. */
    private static final int TOUCH_MS = 100;

    private static PersistentTtlNode ttl(World w, CuratorFramework c) throws Exception {
        return ttl(w, c, TTL_MS);
    }

    private static PersistentTtlNode ttl(World w, CuratorFramework c, long ttlMs)
            throws Exception {
        ScheduledExecutorService toucher =
                Executors.newSingleThreadScheduledExecutor(World.daemons("touch"));
        w.use(toucher::shutdownNow);
        PersistentTtlNode node =
                new PersistentTtlNode(
                        c,
                        toucher,
                        w.path("ttl"),
                        ttlMs,
                        World.bytes("kept"),
                        PersistentTtlNode.DEFAULT_CHILD_NODE_NAME,
                        Math.toIntExact(ttlMs / TOUCH_MS));
        node.start();
        w.use(node);
        World.check(
                node.waitForInitialCreate(w.leftMs(), TimeUnit.MILLISECONDS), "not created");
        return node;
    }

    /** Starts a TTL znode that nobody touches, and waits for its end. */
    private static void untouched(World w, String name) throws Exception {
        w.observer()
                .create()
                .withTtl(TTL_MS)
                .withMode(CreateMode.PERSISTENT_WITH_TTL)
                .forPath(w.path(name));
        w.await("an untouched znode to go", () -> !w.exists(w.path(name)));
    }

    /** A znode that is touched outlives one that is not; closed, it goes like that one. */
    private static void ttlKept(World w) throws Exception {
        PersistentTtlNode node = ttl(w, w.client());
        untouched(w, "untouched1");
        untouched(w, "untouched2");
        World.equal("the data of the touched one", w.text(w.path("ttl")), "kept");
        node.setData(World.bytes("changed"));
        w.awaitEqual("the data", "changed", () -> w.text(w.path("ttl")));
        node.close();
        w.await("the closed one to go", () -> !w.exists(w.path("ttl")));
    }

    /** Two keep it; it stays when one closes, and goes when both have. */
    private static void ttlFailOver(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        ttl(w, a);
        PersistentTtlNode second = ttl(w, b);
        a.close();
        untouched(w, "untouched1");
        untouched(w, "untouched2");
        World.equal("the data of the touched one", w.text(w.path("ttl")), "kept");
        second.close();
        w.await("the znode to go", () -> !w.exists(w.path("ttl")));
    }

    /** Its keeper is cut off: the znode goes, and comes back with the keeper. */
    private static void ttlOutlive(World w) throws Exception {
        World.Link a = w.link();
        ttl(w, a.client());
        a.cable().cut();
        w.await("the znode to go", () -> !w.exists(w.path("ttl")));
        a.cable().mend();
        w.await("the znode to be back", () -> w.exists(w.path("ttl")));
        untouched(w, "untouched");
        World.check(w.exists(w.path("ttl")), "the znode is not kept any more");
    }

    /**
     * It does not depend on a session: the znode stays when that ends, and is touched in the next
     * one. A client needs a second or two for another session, which is no less than the time that
     * the other scenarios' znode has; this one's is an hour.
     */
    private static void ttlExpire(World w) throws Exception {
        CuratorFramework a = w.client();
        ttl(w, a, TimeUnit.HOURS.toMillis(1));
        w.await("the first touch", () -> w.exists(w.path("ttl/touch")));
        long created = w.stat(w.path("ttl")).getCzxid();
        w.renew(a);
        int touches = w.stat(w.path("ttl/touch")).getVersion();
        w.await(
                "a touch in the new session",
                () -> w.stat(w.path("ttl/touch")).getVersion() > touches);
        World.equal("the znode's zxid", w.stat(w.path("ttl")).getCzxid(), created);
        a.close();
        World.equal("the znode's zxid, closed", w.stat(w.path("ttl")).getCzxid(), created);
    }

    private static GroupMember member(World w, CuratorFramework c, String id) {
        GroupMember member = new GroupMember(c, w.path("group"), id, World.bytes("data of " + id));
        member.start();
        return w.use(member);
    }

    private static void sees(World w, GroupMember who, String... ids) throws Exception {
        w.awaitEqual("the group", Set.of(ids), () -> who.getCurrentMembers().keySet());
    }

    /** Members see each other come, change and go. */
    private static void members(World w) throws Exception {
        CuratorFramework c = w.client();
        GroupMember first = member(w, w.client(), "first");
        GroupMember second = member(w, w.client(), "second");
        sees(w, first, "first", "second");
        sees(w, second, "first", "second");
        member(w, c, "third");
        sees(w, first, "first", "second", "third");
        sees(w, second, "first", "second", "third");
        second.setThisData(World.bytes("changed"));
        w.awaitEqual(
                "the second's data",
                "changed",
                () -> World.text(first.getCurrentMembers().get("second")));
        c.close();
        sees(w, first, "first", "second");
        sees(w, second, "first", "second");
        second.close();
        sees(w, first, "first");
        member(w, w.client(), "second");
        sees(w, first, "first", "second");
    }

    private static void memberOutlives(World w) throws Exception {
        World.Link a = w.link();
        GroupMember first = member(w, a.client(), "first");
        GroupMember second = member(w, w.client(), "second");
        sees(w, first, "first", "second");
        sees(w, second, "first", "second");
        a.cable().cut();
        sees(w, second, "second");
        GroupMember third = member(w, w.client(), "third");
        sees(w, third, "second", "third");
        a.cable().mend();
        sees(w, first, "first", "second", "third");
        sees(w, second, "first", "second", "third");
    }

    private static void memberExpires(World w) throws Exception {
        CuratorFramework a = w.client();
        GroupMember first = member(w, a, "first");
        GroupMember second = member(w, w.client(), "second");
        sees(w, second, "first", "second");
        for (int round = 0; round < 3; round++) {
            w.renew(a);
            String path = w.path("group") + "/first";
            w.await("the member under its new session", () -> w.owner(path) == World.session(a));
            sees(w, second, "first", "second");
            sees(w, first, "first", "second");
        }
    }
}
