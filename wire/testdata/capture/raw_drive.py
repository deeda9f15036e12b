"""Sends requests that no client makes, for the real server's answers. Usage: FRONT CONTROL"""

import socket
import struct
import sys

front, control = (a.split(":") for a in sys.argv[1:3])
wires = socket.create_connection((control[0], int(control[1]))).makefile("rw")


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def string(s):
    return struct.pack(">i", len(s)) + s.encode()


def receive(conn):
    head = conn.recv(4, socket.MSG_WAITALL)
    return head and conn.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)


OPEN = struct.pack(">ii", 1, 31) + string("world") + string("anyone")


def create(path):
    return string(path) + struct.pack(">i", 0) + OPEN + struct.pack(">i", 0)


def header(op, done=False, err=-1):
    return struct.pack(">i?i", op, done, err)


END = header(-1, True)
# Every request has a connection of its own: some make the server close it. Writes that cannot
# be decoded are not tried: they wedge ZooKeeper 3.9.4, which then uses a zxid twice.
REQUESTS = [
    ("check-alone", 13, string("/zookeeper") + struct.pack(">i", -1)),
    ("unknown", 99, b""),
    ("reserved", 10, b""),
    ("container-delete", 20, string("/none")),
    ("checkwatches-none", 17, string("/zookeeper") + struct.pack(">i", 3)),
    ("removewatches-badtype", 18, string("/zookeeper") + struct.pack(">i", 9)),
    ("addwatch-badmode", 106, string("/zookeeper") + struct.pack(">i", 9)),
    ("sync-null", 9, struct.pack(">i", -1)),
    ("create-nullacl", 1, string("/r") + struct.pack(">iii", 0, -1, 0)),
    ("create-aclcount", 1, string("/r") + struct.pack(">iii", 0, -2, 0)),
    ("exists-negative", 3, struct.pack(">i?", -2, False)),
    ("exists-bool2", 3, string("/zookeeper") + b"\x02"),
    ("exists-trailing", 3, string("/zookeeper") + b"\x00junk"),
    ("exists-latin1", 3, struct.pack(">i", 3) + b"/\xe9\xff\x00"),
    ("count", 104, string("/")),
    ("multi-create2", 14, header(15) + create("/raw2") + header(2) + string("/raw2")
     + struct.pack(">i", 0) + END),
    ("multi-mixed", 14, header(4) + string("/zookeeper") + b"\0" + header(13)
     + string("/zookeeper") + struct.pack(">i", -1) + END),
    ("multi-reads", 14, header(4) + string("/zookeeper") + b"\0" + END),
    ("multiread-writes", 22, header(13) + string("/zookeeper") + struct.pack(">i", -1) + END),
    ("multiread-empty", 22, END),
    ("multi-endop", 14, header(13, True, 0)),
]
for name, op, body in REQUESTS:
    wires.write("step %s\n" % name)
    wires.flush()
    wires.readline()
    conn = socket.create_connection((front[0], int(front[1])))
    conn.settimeout(5)
    conn.sendall(frame(struct.pack(">iqiqi16s?", 0, 0, 10000, 0, 16, bytes(16), False)))
    receive(conn)
    conn.sendall(frame(struct.pack(">ii", 1, op) + body))
    try:
        print(name, (receive(conn) or b"closed").hex()[:56])
    except OSError as e:
        print(name, e)
    conn.close()
