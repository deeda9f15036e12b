package com.vivariumdb.compat.curator;

import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;

/**
 * A place in which only so many threads may be at once. It counts who is inside, and where only
 * one may be, each adds one to a znode by reading and writing it without a look at versions: two
 * at once lose a step, even if the count in this process missed them.
 */
final class Section {
    private final World w;
    private final String path;
    private final int limit;
    private final AtomicInteger inside = new AtomicInteger();
    private final AtomicInteger most = new AtomicInteger();
    private final AtomicInteger entered = new AtomicInteger();

    Section(World w, int limit) throws Exception {
        this.w = w;
        this.limit = limit;
        this.path = w.path("section");
        w.observer().create().creatingParentsIfNeeded().forPath(path, World.bytes(0));
    }

    /** Goes through the section with that client. */
    void pass(CuratorFramework client) throws Exception {
        int now = inside.incrementAndGet();
        try {
            most.accumulateAndGet(now, Math::max);
            World.check(now <= limit, "%d inside at once, %d allowed", now, limit);
            int steps = Integer.parseInt(World.text(client.getData().forPath(path)));
            client.setData().forPath(path, World.bytes(steps + 1));
            entered.incrementAndGet();
        } finally {
            inside.decrementAndGet();
        }
    }

    /** The most that were inside at once. */
    int most() {
        return most.get();
    }

    /** Checks that so many passed, and, where only one may, that no step was lost. */
    void verify(int want) throws Exception {
        World.equal("passes", entered.get(), want);
        if (limit == 1) {
            World.equal("steps in the section", w.text(path), String.valueOf(want));
        }
    }
}
