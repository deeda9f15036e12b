package com.vivariumdb.compat.curator;

/**
 * One thing a recipe promises: a name like {@code LeaderLatch/expire}, and a body that plays it
 * between clients and throws if the outcome is another.
 */
record Scenario(String name, Body body) {
    /** What a scenario does. */
    interface Body {
        void play(World w) throws Exception;
    }
}
