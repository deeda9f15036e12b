package com.vivariumdb.compat.curator;

import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.strategies.RoundRobinStrategy;

/** Services that announce themselves, and clients that find them. */
final class Discovery {
    private static final String NAME = "shop";

    private Discovery() {}

    static List<Scenario> all() {
        return List.of(
                new Scenario("ServiceDiscovery/contend", Discovery::contend),
                new Scenario("ServiceDiscovery/provider", Discovery::provider),
                new Scenario("ServiceDiscovery/outlive", Discovery::outlive),
                new Scenario("ServiceDiscovery/expire", Discovery::expire));
    }

    private static ServiceDiscovery<Void> discovery(
            World w, CuratorFramework c, ServiceInstance<Void> instance) throws Exception {
        ServiceDiscovery<Void> d =
                ServiceDiscoveryBuilder.builder(Void.class)
                        .client(c)
                        .basePath(w.path("services"))
                        .thisInstance(instance)
                        .build();
        d.start();
        return w.use(d);
    }

    private static ServiceInstance<Void> instance(String id, int port) throws Exception {
        return ServiceInstance.<Void>builder()
                .name(NAME)
                .id(id)
                .address("127.0.0.1")
                .port(port)
                .build();
    }

    private static Set<String> ids(Collection<ServiceInstance<Void>> instances) {
        return instances.stream()
                .map(i -> i.getId() + ":" + i.getPort())
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static ServiceCache<Void> cache(World w, ServiceDiscovery<Void> d) throws Exception {
        ServiceCache<Void> cache = d.serviceCacheBuilder().name(NAME).build();
        cache.start();
        return w.use(cache);
    }

    private static void sees(World w, ServiceCache<Void> cache, String... want)
            throws Exception {
        Set<String> all = new TreeSet<>(List.of(want));
        w.awaitEqual("services seen", all, () -> ids(cache.getInstances()));
    }

    /** Services come, change and go, and each client sees it. */
    private static void contend(World w) throws Exception {
        CuratorFramework b = w.client();
        ServiceDiscovery<Void> first = discovery(w, w.client(), instance("first", 1));
        ServiceDiscovery<Void> second = discovery(w, b, instance("second", 2));
        ServiceCache<Void> mine = cache(w, first);
        ServiceCache<Void> theirs = cache(w, second);
        sees(w, mine, "first:1", "second:2");
        sees(w, theirs, "first:1", "second:2");
        World.equal("names", List.copyOf(second.queryForNames()), List.of(NAME));
        World.equal("found", ids(first.queryForInstances(NAME)), ids(mine.getInstances()));
        World.equal("its port", first.queryForInstance(NAME, "second").getPort(), 2);
        second.updateService(instance("second", 22));
        sees(w, mine, "first:1", "second:22");
        first.registerService(instance("third", 3));
        sees(w, theirs, "first:1", "second:22", "third:3");
        first.unregisterService(instance("third", 3));
        sees(w, theirs, "first:1", "second:22");
        b.close();
        sees(w, mine, "first:1");
        discovery(w, w.client(), instance("second", 222));
        sees(w, mine, "first:1", "second:222");
    }

    /** A provider goes round among those that are there. */
    private static void provider(World w) throws Exception {
        CuratorFramework a = w.client();
        discovery(w, a, instance("first", 1));
        ServiceDiscovery<Void> second = discovery(w, w.client(), instance("second", 2));
        ServiceProvider<Void> provider =
                second.serviceProviderBuilder()
                        .serviceName(NAME)
                        .providerStrategy(new RoundRobinStrategy<>())
                        .build();
        provider.start();
        w.use(provider);
        w.awaitEqual("services", 2, () -> provider.getAllInstances().size());
        String one = provider.getInstance().getId();
        String other = provider.getInstance().getId();
        World.check(!one.equals(other), "the same one twice: %s", one);
        World.equal("the third", provider.getInstance().getId(), one);
        a.close();
        w.awaitEqual("services", 1, () -> provider.getAllInstances().size());
        World.equal("the only one", provider.getInstance().getId(), "second");
    }

    /** A service that is cut off is gone, and is back with its connection. */
    private static void outlive(World w) throws Exception {
        World.Link a = w.link();
        discovery(w, a.client(), instance("first", 1));
        ServiceCache<Void> seen = cache(w, discovery(w, w.client(), instance("second", 2)));
        sees(w, seen, "first:1", "second:2");
        a.cable().cut();
        sees(w, seen, "second:2");
        a.cable().mend();
        sees(w, seen, "first:1", "second:2");
    }

    /** A service whose session ends announces itself again. */
    private static void expire(World w) throws Exception {
        CuratorFramework a = w.client();
        discovery(w, a, instance("first", 1));
        ServiceCache<Void> seen = cache(w, discovery(w, w.client(), instance("second", 2)));
        String path = w.path("services/" + NAME + "/first");
        for (int round = 0; round < 3; round++) {
            sees(w, seen, "first:1", "second:2");
            w.renew(a);
            w.await("the service in its new session", () -> w.owner(path) == World.session(a));
        }
        sees(w, seen, "first:1", "second:2");
    }
}
