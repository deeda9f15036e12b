package com.vivariumdb.compat.curator;

import java.io.Closeable;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A cable between clients and a server that can be cut and mended, and that can break at the most
 * unkind moment: when the server has done what was asked and the client has not heard of it.
 */
final class Proxy implements Closeable {
    private static final int NOTHING = Integer.MIN_VALUE;

    private final InetSocketAddress server;
    private final Flaw flaw;
    private final ServerSocket listener;
    private final Set<Cable> cables = new HashSet<>(); // guarded by this
    private boolean cut; // guarded by this
    private Set<Integer> loseReplyTo = Set.of(); // guarded by this
    private final AtomicInteger lost = new AtomicInteger();

    /** Stands before the server at address, planting flaw into what passes. */
    Proxy(String address, Flaw flaw) throws IOException {
        int colon = address.lastIndexOf(':');
        this.server =
                new InetSocketAddress(
                        address.substring(0, colon),
                        Integer.parseInt(address.substring(colon + 1)));
        this.flaw = flaw;
        this.listener = new ServerSocket(0, 128, InetAddress.getLoopbackAddress());
        start("accept", this::accept);
    }

    /** The address clients connect to. */
    String address() {
        return listener.getInetAddress().getHostAddress() + ":" + listener.getLocalPort();
    }

    /** Ends all connections and refuses new ones. */
    synchronized void cut() {
        cut = true;
        Set.copyOf(cables).forEach(Cable::close);
    }

    /** Lets connections through again. */
    synchronized void mend() {
        cut = false;
    }

    /** Ends all connections; new ones are welcome at once. */
    synchronized void interrupt() {
        cut();
        mend();
    }

    /** Breaks the connection in place of passing on the reply to the next such request. */
    synchronized void loseReplyTo(Integer... opcodes) {
        loseReplyTo = Set.of(opcodes);
    }

    /** How many replies were lost that way. */
    int lost() {
        return lost.get();
    }

    @Override
    public void close() throws IOException {
        cut();
        listener.close();
    }

    private void accept() throws IOException {
        while (true) {
            Socket client = listener.accept();
            synchronized (this) {
                if (cut) {
                    client.close();
                    continue;
                }
            }
            try {
                Cable cable = new Cable(client, new Socket(server.getAddress(), server.getPort()));
                synchronized (this) {
                    if (cut) {
                        cable.close();
                        continue;
                    }
                    cables.add(cable);
                }
                start("requests", cable::requests);
                start("replies", cable::replies);
            } catch (IOException e) {
                client.close(); // no server: the client sees a refused connection
            }
        }
    }

    /** Takes the order to lose a reply, if there is one for this opcode. */
    private synchronized boolean loses(int opcode) {
        if (!loseReplyTo.contains(opcode)) {
            return false;
        }
        loseReplyTo = Set.of();
        return true;
    }

    /** One client's connection. */
    private final class Cable {
        private final Socket client;
        private final Socket server;
        private volatile int losing = NOTHING; // the xid of the reply to lose

        Cable(Socket client, Socket server) throws IOException {
            this.client = client;
            this.server = server;
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
        }

        void requests() throws IOException {
            DataInputStream in = new DataInputStream(client.getInputStream());
            boolean connected = false;
            for (byte[] m = Frame.read(in); m != null; m = Frame.read(in)) {
                if (connected) {
                    if (loses(Frame.opcode(m))) {
                        losing = Frame.xid(m);
                    }
                    m = flaw.request(m);
                    if (m == null) {
                        break;
                    }
                }
                connected = true;
                Frame.write(server.getOutputStream(), m);
            }
            close();
        }

        void replies() throws IOException {
            DataInputStream in = new DataInputStream(server.getInputStream());
            boolean connected = false;
            for (byte[] m = Frame.read(in); m != null; m = Frame.read(in)) {
                if (connected) {
                    if (losing != NOTHING && Frame.xid(m) == losing) {
                        lost.incrementAndGet();
                        break;
                    }
                    m = flaw.reply(m);
                    if (m == null) {
                        continue;
                    }
                }
                connected = true;
                Frame.write(client.getOutputStream(), m);
            }
            close();
        }

        void close() {
            shut(client);
            shut(server);
            synchronized (Proxy.this) {
                cables.remove(this);
            }
        }
    }

    private static void shut(Socket s) {
        try {
            s.close();
        } catch (IOException e) {
            // It is closed, which is what was wanted.
        }
    }

    /** What a thread of a proxy does until its sockets are closed. */
    private interface Loop {
        void run() throws IOException;
    }

    private static void start(String name, Loop loop) {
        Thread t =
                new Thread(
                        () -> {
                            try {
                                loop.run();
                            } catch (IOException e) {
                                // The other end has gone, or the proxy was closed.
                            }
                        },
                        "proxy-" + name);
        t.setDaemon(true);
        t.start();
    }
}
