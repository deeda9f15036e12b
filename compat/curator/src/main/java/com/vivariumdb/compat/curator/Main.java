package com.vivariumdb.compat.curator;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.KeeperException;

/**
 * Plays Curator's recipes between clients of a server and says of each scenario whether its
 * outcome was the promised one:
 *
 * <pre>
 * scenarios [-only regexp] [-list] [-jobs n] [-deadline seconds] [-flaw name | -flaws] host:port
 * </pre>
 *
 * One line per scenario, a summary, and an exit status: 0 if all are ok, 1 if one failed, 2 if the
 * arguments are wrong or the server cannot be reached. -flaw breaks what the clients see. -flaws
 * tries the scenarios themselves: ok is one that passes with the server as it is, and that fails
 * with at least one of the flaws.
 */
public final class Main {
    private Pattern only = Pattern.compile("");
    private boolean list;
    private int jobs = 4;
    private int seconds = 90;
    private Flaw flaw = Flaw.NONE;
    private boolean flaws;
    private String server;
    /** Where clients find the server with each flaw. */
    private final Map<Flaw, String> addresses = new EnumMap<>(Flaw.class);

    private Main() {}

    public static void main(String[] args) throws Exception {
        Main m = new Main();
        try {
            m.parse(args);
        } catch (IllegalArgumentException e) {
            System.err.println("scenarios: " + e.getMessage());
            System.exit(2);
        }
        System.exit(m.run());
    }

    private void parse(String[] args) {
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "-list" -> list = true;
                case "-only" -> only = Pattern.compile(value(args, ++i));
                case "-jobs" -> jobs = Integer.parseInt(value(args, ++i));
                case "-deadline" -> seconds = Integer.parseInt(value(args, ++i));
                case "-flaws" -> flaws = true;
                case "-flaw" -> flaw = Flaw.valueOf(value(args, ++i).toUpperCase(Locale.ROOT));
                default -> {
                    if (args[i].startsWith("-") || server != null) {
                        throw new IllegalArgumentException("unexpected " + args[i]);
                    }
                    server = args[i];
                }
            }
        }
        if (server == null && !list) {
            throw new IllegalArgumentException("want host:port");
        }
    }

    private static String value(String[] args, int i) {
        if (i >= args.length) {
            throw new IllegalArgumentException("want a value after " + args[i - 1]);
        }
        return args[i];
    }

    private static List<Scenario> all() {
        List<Scenario> all = new ArrayList<>();
        all.addAll(Leaders.all());
        all.addAll(Locks.all());
        all.addAll(Semaphores.all());
        all.addAll(Barriers.all());
        all.addAll(Counters.all());
        all.addAll(Caches.all());
        all.addAll(Watches.all());
        all.addAll(Nodes.all());
        all.addAll(Queues.all());
        all.addAll(Framework.all());
        all.addAll(Connections.all());
        all.addAll(Discovery.all());
        all.addAll(Async.all());
        return all;
    }

    private int run() throws Exception {
        List<Scenario> chosen =
                all().stream().filter(s -> only.matcher(s.name()).find()).toList();
        if (list) {
            chosen.forEach(s -> System.out.println(s.name()));
            return 0;
        }
        if (chosen.isEmpty()) {
            System.err.println("scenarios: -only " + only + " matches none");
            return 2;
        }
        for (Flaw f : Flaw.values()) {
            addresses.put(f, f == Flaw.NONE ? server : new Proxy(server, f).address());
        }
        try (CuratorFramework observer =
                CuratorFrameworkFactory.newClient(server, new RetryNTimes(600, 50))) {
            observer.start();
            if (!observer.blockUntilConnected(seconds, TimeUnit.SECONDS)) {
                System.err.println("scenarios: no server at " + server);
                return 2;
            }
            // A run leaves nothing to a later one with the same server.
            String top = "/curator-" + Long.toHexString(World.session(observer));
            int failed = play(chosen, observer, top);
            try {
                observer.delete().quietly().deletingChildrenIfNeeded().forPath(top);
            } catch (KeeperException e) {
                // Clients that a failed scenario left behind are still at work there.
            }
            System.out.printf(
                    "%d scenarios, %d ok, %d failed%n",
                    chosen.size(), chosen.size() - failed, failed);
            return failed == 0 ? 0 : 1;
        }
    }

    private int play(List<Scenario> chosen, CuratorFramework observer, String top)
            throws Exception {
        ExecutorService workers = Executors.newFixedThreadPool(jobs, World.daemons("scenario"));
        List<Future<Boolean>> results = new ArrayList<>();
        for (Scenario s : chosen) {
            String path = top + "/" + s.name().replaceAll("[^A-Za-z0-9]+", "-");
            results.add(workers.submit(() -> report(s, observer, path)));
        }
        int failed = 0;
        for (Future<Boolean> r : results) {
            failed += r.get() ? 0 : 1;
        }
        return failed;
    }

    /** Plays one scenario and prints its line. */
    private boolean report(Scenario s, CuratorFramework observer, String path) {
        long start = System.nanoTime();
        boolean ok;
        String words;
        if (flaws) {
            words = outcome(s, observer, Flaw.NONE, path);
            ok = words == null;
            if (ok) {
                words = noticed(s, observer, path);
                ok = words != null;
                words = ok ? words : "notices no flaw";
            }
        } else {
            words = outcome(s, observer, flaw, path);
            ok = words == null;
        }
        double took = (System.nanoTime() - start) / 1e9;
        synchronized (System.out) {
            System.out.printf(
                    Locale.ROOT,
                    "%-6s  %s (%.2f s)%s%n",
                    ok ? "ok" : "FAILED",
                    s.name(),
                    took,
                    words == null ? "" : ": " + words.replaceAll("\\s+", " "));
            System.out.flush();
        }
        return ok;
    }

    /** The first flaw that the scenario fails with, and how; null if there is none. */
    private String noticed(Scenario s, CuratorFramework observer, String path) {
        for (Flaw f : Flaw.values()) {
            if (f == Flaw.NONE) {
                continue;
            }
            String reason = outcome(s, observer, f, path + "-" + f);
            if (reason != null) {
                return "notices " + f + ": " + reason;
            }
        }
        return null;
    }

    /** Plays one scenario; null, or why its outcome is wrong. */
    private String outcome(Scenario s, CuratorFramework observer, Flaw with, String path) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        World w = new World(addresses.get(with), observer, path, deadline);
        Thread[] player = new Thread[1];
        ExecutorService body =
                Executors.newSingleThreadExecutor(
                        work -> player[0] = World.daemons(s.name()).newThread(work));
        try {
            Future<?> played =
                    body.submit(
                            () -> {
                                observer.create().creatingParentsIfNeeded().forPath(path);
                                s.body().play(w);
                                return null;
                            });
            // What waits by its own rules is ended a little after what waits by ours.
            played.get(w.leftMs() + 2_000, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            String where = World.trace(player[0]);
            player[0].interrupt();
            w.close();
            return "hangs at " + where;
        } catch (ExecutionException e) {
            w.close();
            return explain(e.getCause());
        } catch (InterruptedException e) {
            return "interrupted";
        } finally {
            body.shutdown();
        }
        try {
            w.close();
            w.conclude();
            return null;
        } catch (Exception e) {
            return explain(e);
        }
    }

    private static String explain(Throwable t) {
        String where = "";
        for (StackTraceElement e : t.getStackTrace()) {
            String file = e.getFileName();
            if (e.getClassName().startsWith("com.vivariumdb")
                    && !List.of("World.java", "Failure.java", "Main.java").contains(file)) {
                where = " at " + file + ":" + e.getLineNumber();
                break;
            }
        }
        return (t instanceof Failure ? t.getMessage() : t.toString()) + where;
    }
}
