import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.*;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/** Drives the Java client through every request it can make. Usage: Drive FRONT CONTROL */
public class Drive {
  interface Call { void run() throws Exception; }

  static BufferedReader in;
  static Socket wires;

  static void say(String line) throws Exception {
    wires.getOutputStream().write((line + "\n").getBytes());
    in.readLine();
  }

  static void step(String name, Call call) throws Exception {
    say("step " + name);
    try {
      call.run();
    } catch (KeeperException | IllegalArgumentException e) {
      System.out.println(name + " " + e);
    }
  }

  static final Semaphore events = new Semaphore(0);
  static final Semaphore connected = new Semaphore(0);

  static void watch(WatchedEvent e) {
    if (e.getType() != Watcher.Event.EventType.None) events.release();
    else if (e.getState() == Watcher.Event.KeeperState.SyncConnected) connected.release();
  }

  static void awaitEvent() throws Exception { events.tryAcquire(5, TimeUnit.SECONDS); }

  static byte[] b(String s) { return s.getBytes(StandardCharsets.UTF_8); }

  public static void main(String[] args) throws Exception {
    String[] hp = args[1].split(":");
    wires = new Socket(hp[0], Integer.parseInt(hp[1]));
    in = new BufferedReader(new InputStreamReader(wires.getInputStream()));
    say("step connect");
    ZooKeeperAdmin zk = new ZooKeeperAdmin(args[0], 12000, Drive::watch);
    connected.acquire();
    writes(zk);
    reads(zk);
    multis(zk);
    watches(zk);
    reconfig(zk);
    step("close", zk::close);
    System.exit(0);
  }

  static final List<ACL> OPEN = ZooDefs.Ids.OPEN_ACL_UNSAFE;

  static void writes(ZooKeeper zk) throws Exception {
    Stat stat = new Stat();
    step("whoami-plain", zk::whoAmI);
    step("auth", () -> zk.addAuthInfo("digest", b("root:pass")));
    step("whoami", zk::whoAmI);
    step("create", () -> zk.create("/j", b("hello"), OPEN, CreateMode.PERSISTENT));
    step("create-null", () -> zk.create("/j/null", null, OPEN, CreateMode.PERSISTENT));
    step("create-seq", () -> zk.create("/j/s", b(""), OPEN, CreateMode.PERSISTENT_SEQUENTIAL));
    step("create-aclauth", () -> zk.create("/j/x", b(""), Arrays.asList(
        new ACL(31, new org.apache.zookeeper.data.Id("auth", ""))), CreateMode.EPHEMERAL));
    step("create2", () -> zk.create("/j/two", b("2"), OPEN, CreateMode.EPHEMERAL_SEQUENTIAL, stat));
    step("container", () -> zk.create("/j/c", b("c"), OPEN, CreateMode.CONTAINER));
    step("ttl", () -> zk.create(
        "/j/t", b("t"), OPEN, CreateMode.PERSISTENT_WITH_TTL, stat, 3600000L));
    step("ttl-seq", () -> zk.create(
        "/j/t", b("t"), OPEN, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, stat, 1099511627775L));
    step("set", () -> zk.setData("/j", b("world!"), 0));
    step("set-null", () -> zk.setData("/j/null", null, -1));
    step("set-badversion", () -> zk.setData("/j", b("world!"), 0));
    step("setacl", () -> zk.setACL("/j/t", ZooDefs.Ids.CREATOR_ALL_ACL, 0));
    step("getacl", () -> zk.getACL("/j/t", stat));
    step("delete-none", () -> zk.delete("/j/none", -1));
    step("delete", () -> zk.delete("/j/null", 1));
  }

  static void reads(ZooKeeper zk) throws Exception {
    Stat stat = new Stat();
    step("get", () -> zk.getData("/j", false, stat));
    step("get-config", () -> zk.getData("/zookeeper/config", false, stat));
    step("exists", () -> zk.exists("/j", false));
    step("children", () -> zk.getChildren("/j", false, (rc, p, ctx, c) -> events.release(), null));
    awaitEvent();
    step("children2", () -> zk.getChildren("/j", false, stat));
    step("children-empty", () -> zk.getChildren("/j/t", false));
    step("ephemerals", () -> zk.getEphemerals("/j"));
    step("ephemerals-all", zk::getEphemerals);
    step("count", () -> zk.getAllChildrenNumber("/j"));
    step("sync", () -> zk.sync("/j", (rc, p, ctx) -> events.release(), null));
    awaitEvent();
  }

  static void multis(ZooKeeper zk) throws Exception {
    step("multi", () -> zk.multi(Arrays.asList(
        Op.create("/j/m1", b("1"), OPEN, CreateMode.PERSISTENT),
        Op.create("/j/m2", b("2"), OPEN, CreateMode.CONTAINER),
        Op.create("/j/m3", b("3"), OPEN, CreateMode.PERSISTENT_WITH_TTL, 5000L),
        Op.create("/j/m4-", b("4"), OPEN, CreateMode.EPHEMERAL_SEQUENTIAL),
        Op.setData("/j/m1", b("one"), 0),
        Op.check("/j/m1", 1),
        Op.delete("/j/m1", 1))));
    step("multi-fails", () -> zk.multi(Arrays.asList(
        Op.setData("/j", b("no"), -1), Op.delete("/j/none", -1), Op.check("/j", -1))));
    step("multi-empty", () -> zk.multi(Arrays.asList()));
    step("multiread", () -> zk.multi(Arrays.asList(
        Op.getData("/j"), Op.getChildren("/j"), Op.getData("/j/none"),
        Op.getChildren("/j/m2"))));
    step("transaction", () -> zk.transaction().create(
        "/j/tx", b(""), OPEN, CreateMode.PERSISTENT).delete("/j/tx", -1).commit());
  }

  /** Cuts the connection; the answer to whoAmI says that those to what was replayed are in. */
  static void drop(ZooKeeper zk) throws Exception {
    connected.drainPermits();
    say("drop");
    connected.acquire();
    zk.whoAmI();
  }

  static void watches(ZooKeeper zk) throws Exception {
    step("watch-data", () -> zk.getData("/j", Drive::watch, null));
    step("watch-exists", () -> zk.exists("/j/later", Drive::watch));
    step("watch-child", () -> zk.getChildren("/j/m2", Drive::watch));
    step("drop", () -> drop(zk));
    step("fire-data", () -> { zk.setData("/j", b("fire"), -1); awaitEvent(); });
    step("fire-create", () -> {
      zk.create("/j/later", b(""), OPEN, CreateMode.PERSISTENT); awaitEvent(); });
    step("fire-child", () -> {
      zk.create("/j/m2/x", b(""), OPEN, CreateMode.PERSISTENT); awaitEvent(); });
    step("watch-again", () -> zk.getData("/j", Drive::watch, null));
    step("addwatch", () -> zk.addWatch("/j", Drive::watch, AddWatchMode.PERSISTENT));
    step("addwatch-recursive",
        () -> zk.addWatch("/j/m2", Drive::watch, AddWatchMode.PERSISTENT_RECURSIVE));
    step("drop2", () -> drop(zk));
    step("fire-delete", () -> { zk.delete("/j/m2/x", -1); awaitEvent(); });
    step("fire-children", () -> { zk.delete("/j/later", -1); awaitEvent(); });
    step("remove-all", () -> zk.removeAllWatches("/j/m2", Watcher.WatcherType.Any, false));
    step("remove-data", () -> zk.removeAllWatches("/j", Watcher.WatcherType.Data, false));
    step("remove-none", () -> zk.removeAllWatches("/none", Watcher.WatcherType.Any, false));
    step("idle", () -> Thread.sleep(5000));
  }

  static void reconfig(ZooKeeperAdmin zk) throws Exception {
    Stat stat = new Stat();
    step("reconfig-noauth", () -> zk.reconfigure("", "9", null, -1, stat));
    step("super", () -> zk.addAuthInfo("digest", b("super:admin")));
    step("reconfig-badargs",
        () -> zk.reconfigure(null, null, "server.1=nonsense", -1, stat));
    step("reconfig", () -> zk.reconfigure((String) null, "9", null, -1, stat));
  }
}
