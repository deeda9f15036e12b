package com.vivariumdb.compat.curator;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.zip.GZIPInputStream;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.ACLProvider;
import org.apache.curator.framework.api.CuratorEvent;
import org.apache.curator.framework.api.CuratorEventType;
import org.apache.curator.framework.api.transaction.CuratorOp;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/** What the recipes are made of: single requests, transactions, names, access. */
final class Framework {
    private Framework() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("Framework/requests", Framework::requests),
                new Scenario("Framework/versions", Framework::versions),
                new Scenario("Framework/modes", Framework::modes),
                new Scenario("Framework/namespace", Framework::namespace),
                new Scenario("Framework/chroot", Framework::chroot),
                new Scenario("Framework/compression", Framework::compression),
                new Scenario("Framework/background", Framework::background),
                new Scenario("Framework/ephemerals", Framework::ephemerals),
                new Scenario("Transaction/commit", Framework::commit),
                new Scenario("Transaction/refused", Framework::refused),
                new Scenario("Transaction/contend", Framework::accounts),
                new Scenario("Transaction/background", Framework::inBackground),
                new Scenario("Access/owner", Framework::owner),
                new Scenario("Access/provider", Framework::provider),
                new Scenario("Access/interrupted-link", Framework::accessAfterLink));
    }

    /** Creates with parents, sets or creates, lists and deletes with children. */
    private static void requests(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String deep = w.path("x/y/z");
        Stat stat = new Stat();
        a.create().storingStatIn(stat).creatingParentsIfNeeded().forPath(deep, World.bytes("1"));
        World.equal("the stat's length", stat.getDataLength(), 1);
        World.equal("the stat", b.checkExists().forPath(deep), stat);
        World.thrown(
                KeeperException.NodeExistsException.class, () -> b.create().forPath(deep));
        b.create().orSetData().forPath(deep, World.bytes("22"));
        World.equal("the data", World.text(a.getData().storingStatIn(stat).forPath(deep)), "22");
        World.equal("the version", stat.getVersion(), 1);
        World.thrown(
                KeeperException.NotEmptyException.class, () -> b.delete().forPath(w.path("x")));
        World.equal("children", a.getChildren().forPath(w.path("x")), List.of("y"));
        b.delete().guaranteed().deletingChildrenIfNeeded().forPath(w.path("x"));
        World.check(a.checkExists().forPath(w.path("x")) == null, "still there");
        b.delete().quietly().forPath(w.path("x"));
        World.thrown(
                KeeperException.NoNodeException.class, () -> b.delete().forPath(w.path("x")));
        a.checkExists().creatingParentContainersIfNeeded().forPath(deep);
        World.check(b.checkExists().forPath(w.path("x/y")) != null, "no parents");
    }

    /** A change of an old version is refused, and changes nothing. */
    private static void versions(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String path = w.path("node");
        a.create().forPath(path, World.bytes("0"));
        World.equal("the version", a.setData().forPath(path, World.bytes("1")).getVersion(), 1);
        World.thrown(
                KeeperException.BadVersionException.class,
                () -> b.setData().withVersion(0).forPath(path, World.bytes("2")));
        World.thrown(
                KeeperException.BadVersionException.class,
                () -> b.delete().withVersion(0).forPath(path));
        World.equal("the data", World.text(b.getData().forPath(path)), "1");
        b.setData().withVersion(1).forPath(path, World.bytes("3"));
        a.delete().withVersion(2).forPath(path);
        World.check(b.checkExists().forPath(path) == null, "still there");
    }

    /** Each mode of create does what it says. */
    private static void modes(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        a.create().withMode(CreateMode.CONTAINER).forPath(w.path("container"));
        List<String> names = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            CuratorFramework c = i % 2 == 0 ? a : b;
            names.add(
                    c.create()
                            .withMode(CreateMode.PERSISTENT_SEQUENTIAL)
                            .forPath(w.path("container/s-")));
        }
        for (int i = 0; i < 3; i++) {
            World.equal("a name", names.get(i), w.path("container/s-") + "000000000" + i);
        }
        String ephemeral = w.path("container/e");
        a.create().withMode(CreateMode.EPHEMERAL).forPath(ephemeral);
        World.equal("its owner", w.owner(ephemeral), World.session(a));
        World.thrown(
                KeeperException.NoChildrenForEphemeralsException.class,
                () -> b.create().forPath(ephemeral + "/child"));
        String ttl =
                a.create()
                        .withTtl(1_000)
                        .withMode(CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
                        .forPath(w.path("container/t-"));
        World.equal("a name", ttl, w.path("container/t-") + "0000000004");
        w.await("the TTL znode to go", () -> !w.exists(ttl));
        a.close();
        w.await("the ephemeral to go", () -> !w.exists(ephemeral));
        for (String name : names) {
            b.delete().forPath(name);
        }
        w.await("the container to go", () -> !w.exists(w.path("container")));
    }

    /** Views with names of their own do not see each other's znodes, and watch their own. */
    private static void namespace(World w) throws Exception {
        CuratorFramework c = w.client();
        String base = w.path("").substring(1);
        CuratorFramework one = c.usingNamespace(base + "one");
        CuratorFramework two = c.usingNamespace(base + "two");
        one.create().creatingParentsIfNeeded().forPath("/node", World.bytes("of one"));
        World.check(two.checkExists().forPath("/node") == null, "seen in another namespace");
        CompletableFuture<String> seen = new CompletableFuture<>();
        org.apache.curator.framework.api.CuratorWatcher watcher =
                e -> {
                    if (e.getPath() != null) {
                        seen.complete(e.getPath());
                    }
                };
        one.getData().usingWatcher(watcher).forPath("/node");
        CuratorFramework other = w.client(b -> b.namespace(base + "one"));
        other.setData().forPath("/node", World.bytes("changed"));
        World.equal("the watched path", w.get(seen, "the event"), "/node");
        World.equal("the data", w.text(w.path("one/node")), "changed");
        World.equal(
                "a path made",
                other.create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/node/n"),
                "/node/n0000000000");
        World.equal("children", one.getChildren().forPath("/node"), List.of("n0000000000"));
    }

    /** A client whose connect string ends in a path lives below it. */
    private static void chroot(World w) throws Exception {
        CuratorFramework a = w.client();
        a.create().forPath(w.path("top"));
        CuratorFramework b = w.client(s -> s.connectString(w.server() + w.path("top")));
        CompletableFuture<String> seen = new CompletableFuture<>();
        org.apache.curator.framework.api.CuratorWatcher watcher =
                e -> {
                    if (e.getPath() != null) {
                        seen.complete(e.getPath());
                    }
                };
        World.check(b.checkExists().usingWatcher(watcher).forPath("/x") == null, "/x exists");
        a.create().forPath(w.path("top/x"), World.bytes("data"));
        World.equal("the watched path", w.get(seen, "the event"), "/x");
        World.equal("the data", World.text(b.getData().forPath("/x")), "data");
        World.equal("children", b.getChildren().forPath("/"), List.of("x"));
        b.transaction()
                .forOperations(
                        b.transactionOp().create().forPath("/y"),
                        b.transactionOp().delete().forPath("/x"));
        World.equal("children", w.children(w.path("top")), List.of("y"));
    }

    /** What one client compresses another reads, and the server holds it compressed. */
    private static void compression(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String text = "again and ".repeat(20_000);
        a.create().compressed().forPath(w.path("node"), World.bytes(text));
        byte[] raw = b.getData().undecompressed().forPath(w.path("node"));
        World.check(raw.length < text.length() / 10, "%d bytes", raw.length);
        try (GZIPInputStream in = new GZIPInputStream(new java.io.ByteArrayInputStream(raw))) {
            String unzipped = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            World.check(unzipped.equals(text), "gunzip says something else");
        }
        byte[] data = b.getData().decompressed().forPath(w.path("node"));
        World.check(World.text(data).equals(text), "the other reads something else");
        b.setData().compressed().forPath(w.path("node"), World.bytes("short"));
        data = a.getData().decompressed().forPath(w.path("node"));
        World.equal("the data", World.text(data), "short");
    }

    /** Requests in the background end in the order they were made, each with its context. */
    private static void background(World w) throws Exception {
        CuratorFramework a = w.client();
        ConcurrentLinkedQueue<String> ends = new ConcurrentLinkedQueue<>();
        List<String> want = new ArrayList<>();
        org.apache.curator.framework.api.BackgroundCallback note =
                (c, e) -> ends.add(e.getContext() + " " + Code.get(e.getResultCode()));
        String path = w.path("node");
        for (int i = 0; i < 20; i++) {
            a.create().inBackground(note, "create" + i).forPath(path);
            a.create().inBackground(note, "again" + i).forPath(path);
            a.setData().inBackground(note, "set" + i).forPath(path, World.bytes(i));
            a.getData().inBackground(note, "get" + i).forPath(path);
            a.getChildren().inBackground(note, "list" + i).forPath(path);
            a.delete().inBackground(note, "delete" + i).forPath(path);
            a.checkExists().inBackground(note, "exists" + i).forPath(path);
            want.add("create" + i + " OK");
            want.add("again" + i + " NODEEXISTS");
            want.add("set" + i + " OK");
            want.add("get" + i + " OK");
            want.add("list" + i + " OK");
            want.add("delete" + i + " OK");
            want.add("exists" + i + " NONODE");
        }
        w.awaitEqual("ends", want.size(), ends::size);
        World.equal("ends", List.copyOf(ends), want);
        CompletableFuture<CuratorEvent> heard = new CompletableFuture<>();
        a.getCuratorListenable()
                .addListener(
                        (c, e) -> {
                            if (e.getType() == CuratorEventType.SYNC) {
                                heard.complete(e);
                            }
                        });
        a.sync().inBackground().forPath("/");
        World.equal("sync", w.get(heard, "the sync's end").getResultCode(), 0);
    }

    /** A session's ephemerals go together with it, and no other session's do. */
    private static void ephemerals(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        for (int i = 0; i < 50; i++) {
            CuratorFramework c = i % 2 == 0 ? a : b;
            c.create().withMode(CreateMode.EPHEMERAL).forPath(w.path("e" + i));
        }
        w.renew(a);
        String top = w.path("");
        top = top.substring(0, top.length() - 1);
        World.equal("ephemerals of the other session", w.children(top).size(), 25);
        a.create().withMode(CreateMode.EPHEMERAL).forPath(w.path("e0"));
        World.equal("its owner", w.owner(w.path("e0")), World.session(a));
        b.close();
        String path = top;
        w.awaitEqual("ephemerals left", List.of("e0"), () -> w.children(path));
    }

    /** All of a transaction is done, and each result is told. */
    private static void commit(World w) throws Exception {
        CuratorFramework a = w.client();
        CuratorFramework b = w.client();
        String x = w.path("x");
        String y = w.path("y");
        b.create().forPath(y, World.bytes("old"));
        List<CuratorTransactionResult> results =
                a.transaction()
                        .forOperations(
                                a.transactionOp().create().forPath(x, World.bytes("1")),
                                a.transactionOp()
                                        .create()
                                        .withMode(CreateMode.EPHEMERAL_SEQUENTIAL)
                                        .forPath(x + "/s-"),
                                a.transactionOp().setData().forPath(x, World.bytes("2")),
                                a.transactionOp().check().withVersion(1).forPath(x),
                                a.transactionOp().delete().withVersion(0).forPath(y));
        World.equal("results", results.size(), 5);
        World.equal("the name made", results.get(1).getResultPath(), x + "/s-0000000000");
        World.equal("the version set", results.get(2).getResultStat().getVersion(), 1);
        World.equal("the data", World.text(b.getData().forPath(x)), "2");
        World.check(b.checkExists().forPath(y) == null, "the deleted is there");
        World.equal("its owner", w.owner(x + "/s-0000000000"), World.session(a));
        long one = w.observer().checkExists().forPath(x).getMzxid();
        long other = w.observer().checkExists().forPath(x + "/s-0000000000").getCzxid();
        World.equal("the zxid of the last change", other, one);
    }

    /** Nothing of a transaction is done if one of it cannot be, and it says which. */
    private static void refused(World w) throws Exception {
        CuratorFramework a = w.client();
        String x = w.path("x");
        String y = w.path("y");
        w.observer().create().forPath(y, World.bytes("old"));
        List<List<CuratorOp>> wrong =
                List.of(
                        List.of(
                                a.transactionOp().create().forPath(x),
                                a.transactionOp().check().withVersion(7).forPath(y),
                                a.transactionOp().delete().forPath(y)),
                        List.of(
                                a.transactionOp().create().forPath(x),
                                a.transactionOp().setData().withVersion(7).forPath(y),
                                a.transactionOp().delete().forPath(y)),
                        List.of(
                                a.transactionOp().create().forPath(x),
                                a.transactionOp().delete().withVersion(7).forPath(y),
                                a.transactionOp().setData().forPath(y)));
        for (List<CuratorOp> ops : wrong) {
            KeeperException e =
                    World.thrown(
                            KeeperException.class, () -> a.transaction().forOperations(ops));
            World.equal("the error", e.code(), Code.BADVERSION);
            List<Code> codes =
                    e.getResults().stream()
                            .map(r -> (org.apache.zookeeper.OpResult.ErrorResult) r)
                            .map(r -> Code.get(r.getErr()))
                            .toList();
            World.equal(
                    "errors", codes, List.of(Code.OK, Code.BADVERSION, Code.RUNTIMEINCONSISTENCY));
            World.check(!w.exists(x), "half a transaction was done");
            World.equal("the data", w.text(y), "old");
        }
    }

    /** Threads of two clients move money by transactions; the sum stays what it was. */
    private static void accounts(World w) throws Exception {
        CuratorFramework[] clients = {w.client(), w.client()};
        int accounts = 4;
        for (int i = 0; i < accounts; i++) {
            clients[0].create().forPath(w.path("account" + i), World.bytes(100));
        }
        int[] moved = new int[4];
        w.together(
                moved.length,
                t -> {
                    Random random = new Random(t);
                    CuratorFramework c = clients[t % 2];
                    while (moved[t] < 15) {
                        int from = random.nextInt(accounts);
                        int to = (from + 1 + random.nextInt(accounts - 1)) % accounts;
                        if (move(w, c, from, to, random.nextInt(10))) {
                            moved[t]++;
                        }
                    }
                });
        int sum = 0;
        int changes = 0;
        for (int i = 0; i < accounts; i++) {
            sum += Integer.parseInt(w.text(w.path("account" + i)));
            Stat stat = w.observer().checkExists().forPath(w.path("account" + i));
            changes += stat.getVersion();
        }
        World.equal("the sum", sum, 100 * accounts);
        World.equal("changes", changes, 2 * 15 * moved.length);
    }

    private static boolean move(World w, CuratorFramework c, int from, int to, int amount)
            throws Exception {
        String source = w.path("account" + from);
        String target = w.path("account" + to);
        Stat one = new Stat();
        Stat other = new Stat();
        int has = Integer.parseInt(World.text(c.getData().storingStatIn(one).forPath(source)));
        int gets = Integer.parseInt(World.text(c.getData().storingStatIn(other).forPath(target)));
        try {
            c.transaction()
                    .forOperations(
                            c.transactionOp()
                                    .setData()
                                    .withVersion(one.getVersion())
                                    .forPath(source, World.bytes(has - amount)),
                            c.transactionOp()
                                    .setData()
                                    .withVersion(other.getVersion())
                                    .forPath(target, World.bytes(gets + amount)));
            return true;
        } catch (KeeperException.BadVersionException e) {
            World.check(w.leftMs() > 0, "no time left");
            return false;
        }
    }

    /** In the background, one that is done and one that is refused. */
    private static void inBackground(World w) throws Exception {
        CuratorFramework a = w.client();
        CompletableFuture<CuratorEvent> good = new CompletableFuture<>();
        CompletableFuture<CuratorEvent> bad = new CompletableFuture<>();
        CuratorOp one = a.transactionOp().create().forPath(w.path("x"), World.bytes("1"));
        CuratorOp two = a.transactionOp().setData().forPath(w.path("x"), World.bytes("2"));
        CuratorOp old = a.transactionOp().check().withVersion(0).forPath(w.path("x"));
        CuratorOp other = a.transactionOp().create().forPath(w.path("y"));
        a.transaction().inBackground((c, e) -> good.complete(e)).forOperations(one, two);
        a.transaction().inBackground((c, e) -> bad.complete(e)).forOperations(other, old);
        CuratorEvent e = w.get(good, "the first's end");
        World.equal("the first's result", Code.get(e.getResultCode()), Code.OK);
        World.equal("its results", e.getOpResults().size(), 2);
        e = w.get(bad, "the second's end");
        World.equal("the second's result", Code.get(e.getResultCode()), Code.BADVERSION);
        World.equal("the data", w.text(w.path("x")), "2");
        World.check(!w.exists(w.path("y")), "half a transaction was done");
    }

    private static void as(CuratorFrameworkFactory.Builder b, String who) {
        b.authorization("digest", World.bytes(who + ":secret of " + who));
    }

    private static void denied(World.Together work) throws Exception {
        World.thrown(
                KeeperException.NoAuthException.class,
                () -> {
                    work.run(0);
                    return "it was done";
                });
    }

    /** What belongs to its creator others neither read nor change, until it is opened. */
    private static void owner(World w) throws Exception {
        CuratorFramework ann = w.client(b -> as(b, "ann"));
        CuratorFramework ann2 = w.client(b -> as(b, "ann"));
        CuratorFramework bob = w.client(b -> as(b, "bob"));
        String path = w.path("private");
        ann.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath(path, World.bytes("1"));
        denied(i -> bob.getData().forPath(path));
        denied(i -> bob.setData().forPath(path, World.bytes("2")));
        denied(i -> bob.create().forPath(path + "/child"));
        denied(i -> bob.setACL().withACL(ZooDefs.Ids.OPEN_ACL_UNSAFE).forPath(path));
        denied(i -> w.observer().getChildren().forPath(path));
        World.equal("the data", World.text(ann2.getData().forPath(path)), "1");
        denied(
                i ->
                        bob.transaction()
                                .forOperations(bob.transactionOp().setData().forPath(path)));
        List<ACL> acl = new ArrayList<>(ann.getACL().forPath(path));
        World.equal("entries", acl.size(), 1);
        World.equal("the scheme", acl.get(0).getId().getScheme(), "digest");
        World.check(acl.get(0).getId().getId().startsWith("ann:"), "%s", acl);
        acl.addAll(ZooDefs.Ids.READ_ACL_UNSAFE);
        ann2.setACL().withACL(acl).forPath(path);
        World.equal("the data", World.text(bob.getData().forPath(path)), "1");
        denied(i -> bob.setData().forPath(path, World.bytes("2")));
        ann.delete().forPath(path);
    }

    /** Every znode of a client with a provider of ACLs gets what that says, parents too. */
    private static void provider(World w) throws Exception {
        ACLProvider provider =
                new ACLProvider() {
                    @Override
                    public List<ACL> getDefaultAcl() {
                        return ZooDefs.Ids.CREATOR_ALL_ACL;
                    }

                    @Override
                    public List<ACL> getAclForPath(String path) {
                        return path.endsWith("open")
                                ? ZooDefs.Ids.OPEN_ACL_UNSAFE
                                : ZooDefs.Ids.CREATOR_ALL_ACL;
                    }
                };
        CuratorFramework ann =
                w.client(
                        b -> {
                            as(b, "ann");
                            b.aclProvider(provider);
                        });
        CuratorFramework bob = w.client(b -> as(b, "bob"));
        String deep = w.path("x/y/open");
        ann.create().creatingParentsIfNeeded().forPath(deep, World.bytes("1"));
        World.equal("the data", World.text(bob.getData().forPath(deep)), "1");
        denied(i -> bob.getData().forPath(w.path("x/y")));
        ann.delete().deletingChildrenIfNeeded().forPath(w.path("x"));
    }

    /** Who the client is holds on its next connections, and in its next session. */
    private static void accessAfterLink(World w) throws Exception {
        CuratorFramework ann = w.client(b -> as(b, "ann"));
        CuratorFramework bob = w.client(b -> as(b, "bob"));
        String path = w.path("private");
        ann.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath(path, World.bytes("1"));
        w.renew(ann);
        w.renew(bob);
        World.equal("the data", World.text(ann.getData().forPath(path)), "1");
        denied(i -> bob.getData().forPath(path));
        ann.delete().forPath(path);
    }
}
