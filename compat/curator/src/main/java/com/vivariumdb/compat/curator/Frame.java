package com.vivariumdb.compat.curator;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;

/** One message of the protocol, without its length. */
final class Frame {
    static final int CREATE = 1;
    static final int DELETE = 2;
    static final int EXISTS = 3;
    static final int SET_DATA = 5;
    static final int PING = 11;
    static final int CHECK = 13;
    static final int MULTI = 14;
    static final int CREATE2 = 15;
    static final int CREATE_CONTAINER = 19;
    static final int CREATE_TTL = 21;
    static final int SET_WATCHES = 101;
    static final int SET_WATCHES2 = 105;
    static final int ADD_WATCH = 106;
    static final int CLOSE = -11;
    /** The xid of notifications. */
    static final int NOTIFICATION = -1;
    /** The longest message a client may send or get, with a margin. */
    private static final int LIMIT = 64 << 20;

    private Frame() {}

    /** Reads a message; null at the end of the stream. */
    static byte[] read(DataInputStream in) throws IOException {
        int length;
        try {
            length = in.readInt();
        } catch (EOFException e) {
            return null;
        }
        if (length < 0 || length > LIMIT) {
            throw new IOException("a message of " + length + " bytes");
        }
        byte[] message = new byte[length];
        in.readFully(message);
        return message;
    }

    /** Writes a message with its length, in one write. */
    static void write(OutputStream out, byte[] message) throws IOException {
        out.write(
                ByteBuffer.allocate(4 + message.length)
                        .putInt(message.length)
                        .put(message)
                        .array());
        out.flush();
    }

    /** The xid of a request or a reply. */
    static int xid(byte[] message) {
        return ByteBuffer.wrap(message).getInt(0);
    }

    /** The opcode of a request. */
    static int opcode(byte[] message) {
        return ByteBuffer.wrap(message).getInt(4);
    }
}
