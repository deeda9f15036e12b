package com.vivariumdb.compat.curator;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What a broken server would do, planted between the clients and a good one. Scenarios that pass
 * whatever the server does prove nothing; {@code -flaw} shows which of them notice.
 */
enum Flaw {
    NONE,
    /** Nobody is told of anything that happens. */
    EVENTS {
        @Override
        byte[] reply(byte[] m) {
            return Frame.xid(m) == Frame.NOTIFICATION ? null : m;
        }
    },
    /** Ephemeral znodes outlive their sessions. */
    EPHEMERALS {
        @Override
        byte[] request(byte[] m) {
            return flags(m, 1);
        }
    },
    /** Sequential znodes get no number. */
    SEQUENCES {
        @Override
        byte[] request(byte[] m) {
            return flags(m, 2);
        }
    },
    /** Versions are not compared, alone or in transactions. */
    VERSIONS {
        @Override
        byte[] request(byte[] m) {
            return unversioned(m);
        }
    },
    /** A session that is closed lives on until its time is over. */
    CLOSING {
        @Override
        byte[] request(byte[] m) {
            return Frame.opcode(m) == Frame.CLOSE ? null : m;
        }
    },
    /** Containers and TTL znodes stay for ever. */
    CONTAINERS {
        @Override
        byte[] request(byte[] m) {
            return persistent(m);
        }
    },
    /** The last byte of what is written is lost on the way. */
    DATA {
        @Override
        byte[] request(byte[] m) {
            return damaged(m);
        }
    },
    /** Every ACL is open to the world. */
    ACLS {
        @Override
        byte[] request(byte[] m) {
            return open(m);
        }
    },
    /** Recursive watches are told of the znode itself only. */
    RECURSION {
        @Override
        byte[] request(byte[] m) {
            byte[] changed = m.clone();
            if (Frame.opcode(m) == Frame.ADD_WATCH) {
                ByteBuffer.wrap(changed).putInt(m.length - 4, 0);
            }
            return changed;
        }
    },
    /** Watches are lost with the connection, though the client sets them again. */
    REWATCHING {
        @Override
        byte[] request(byte[] m) {
            int lists = Frame.opcode(m) == Frame.SET_WATCHES ? 3 : 5;
            if (Frame.opcode(m) != Frame.SET_WATCHES && Frame.opcode(m) != Frame.SET_WATCHES2) {
                return m;
            }
            // Header and zxid stay, the lists are empty.
            return Arrays.copyOf(Arrays.copyOf(m, 16), 16 + 4 * lists);
        }
    },
    /** What is deleted stays. */
    DELETES {
        @Override
        byte[] request(byte[] m) {
            if (Frame.opcode(m) != Frame.DELETE) {
                return m;
            }
            byte[] changed = Arrays.copyOf(m, m.length - 3); // the version becomes "no watch"
            changed[changed.length - 1] = 0;
            ByteBuffer.wrap(changed).putInt(4, Frame.EXISTS);
            return changed;
        }
    },
    /** Transactions check nothing and keep what they are to delete. */
    TRANSACTIONS {
        @Override
        byte[] request(byte[] m) {
            return Frame.opcode(m) == Frame.MULTI ? unchecked(m) : m;
        }
    };

    private static final int HEADER = 8; // xid and opcode

    /** What the server gets in place of a request; null breaks the connection instead. */
    byte[] request(byte[] m) {
        return m;
    }

    /** What the client gets in place of a reply or a notification; null is nothing. */
    byte[] reply(byte[] m) {
        return m;
    }

    /** Clears flags of a create; 1 is ephemeral, 2 sequential. */
    private static byte[] flags(byte[] m, int clear) {
        int op = Frame.opcode(m);
        if (op != Frame.CREATE && op != Frame.CREATE2) {
            return m;
        }
        byte[] changed = m.clone();
        ByteBuffer b = ByteBuffer.wrap(changed);
        b.putInt(m.length - 4, b.getInt(m.length - 4) & ~clear);
        return changed;
    }

    /** Makes a plain create2, whose reply is the same, of containers and TTL znodes. */
    private static byte[] persistent(byte[] m) {
        int op = Frame.opcode(m);
        if (op != Frame.CREATE_CONTAINER && op != Frame.CREATE_TTL) {
            return m;
        }
        byte[] changed = Arrays.copyOf(m, op == Frame.CREATE_TTL ? m.length - 8 : m.length);
        ByteBuffer b = ByteBuffer.wrap(changed);
        b.putInt(4, Frame.CREATE2);
        boolean sequential = b.getInt(changed.length - 4) == 6;
        return b.putInt(changed.length - 4, sequential ? 2 : 0).array();
    }

    /** Damages the data of creates and of setData. */
    private static byte[] damaged(byte[] m) {
        switch (Frame.opcode(m)) {
            case Frame.CREATE, Frame.CREATE2, Frame.CREATE_CONTAINER, Frame.CREATE_TTL,
                    Frame.SET_DATA -> {}
            default -> {
                return m;
            }
        }
        byte[] changed = m.clone();
        ByteBuffer b = ByteBuffer.wrap(changed).position(HEADER);
        skip(b);
        int length = b.getInt();
        if (length > 0) {
            changed[b.position() + length - 1] ^= 1;
        }
        return changed;
    }

    /** Replaces the ACL of creates by the one everybody may do anything with. */
    private static byte[] open(byte[] m) {
        switch (Frame.opcode(m)) {
            case Frame.CREATE, Frame.CREATE2, Frame.CREATE_CONTAINER, Frame.CREATE_TTL -> {}
            default -> {
                return m;
            }
        }
        ByteBuffer b = ByteBuffer.wrap(m).position(HEADER);
        skip(b);
        skip(b);
        int before = b.position();
        skipAcl(b);
        byte[] world = "world".getBytes();
        byte[] anyone = "anyone".getBytes();
        ByteBuffer changed = ByteBuffer.allocate(m.length + 64);
        changed.put(m, 0, before).putInt(1).putInt(31);
        changed.putInt(world.length).put(world).putInt(anyone.length).put(anyone);
        changed.put(m, b.position(), m.length - b.position());
        return Arrays.copyOf(changed.array(), changed.position());
    }

    /** Makes every version of setData, delete, check and of these in a multi the one for any. */
    private static byte[] unversioned(byte[] m) {
        byte[] changed = m.clone();
        ByteBuffer b = ByteBuffer.wrap(changed).position(HEADER);
        if (Frame.opcode(m) == Frame.MULTI) {
            for (int op = next(b); op > 0; op = next(b)) {
                unversioned(b, op);
            }
        } else {
            unversioned(b, Frame.opcode(m));
        }
        return changed;
    }

    private static void unversioned(ByteBuffer b, int op) {
        switch (op) {
            case Frame.CREATE, Frame.CREATE2, Frame.CREATE_CONTAINER, Frame.CREATE_TTL ->
                    skipCreate(b, op);
            case Frame.DELETE, Frame.CHECK -> {
                skip(b);
                b.putInt(-1);
            }
            case Frame.SET_DATA -> {
                skip(b);
                skip(b);
                b.putInt(-1);
            }
            default -> {}
        }
    }

    /** Makes checks of a multi fit any version, and of its deletes such checks. */
    private static byte[] unchecked(byte[] m) {
        byte[] changed = unversioned(m);
        ByteBuffer b = ByteBuffer.wrap(changed).position(HEADER);
        for (int op = next(b); op > 0; op = next(b)) {
            if (op == Frame.DELETE) {
                b.putInt(b.position() - 9, Frame.CHECK);
            }
            unversioned(b, op);
        }
        return changed;
    }

    /** Reads the header of the next operation of a multi; not positive after the last. */
    private static int next(ByteBuffer b) {
        int op = b.getInt();
        boolean done = b.get() != 0;
        b.getInt();
        return done ? -1 : op;
    }

    private static void skipCreate(ByteBuffer b, int op) {
        skip(b);
        skip(b);
        skipAcl(b);
        b.getInt();
        if (op == Frame.CREATE_TTL) {
            b.getLong();
        }
    }

    private static void skipAcl(ByteBuffer b) {
        for (int n = b.getInt(); n > 0; n--) {
            b.getInt();
            skip(b);
            skip(b);
        }
    }

    /** Skips a string or a buffer. */
    private static void skip(ByteBuffer b) {
        b.position(b.position() + 4 + Math.max(0, b.getInt(b.position())));
    }
}
