package com.vivariumdb.compat.curator;

/** The outcome is not what the recipe promises. */
final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;

    Failure(String format, Object... args) {
        super(String.format(format, args));
    }
}
