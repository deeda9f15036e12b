"""What the proof of a migration asks a server, through kazoo.

usage: migration.py VERB HOST:PORT, with JSON on stdin and JSON lines on stdout

    dump       every znode: data, Stat, ACL, children
    sessions   take up sessions again: [[id, password, timeout], ...]
    probe      who may do what: [path, ...]
    number     make a sequential znode in each of: [path, ...]
    list       every path, once none of those in [path, ...] is left
"""
import base64
import collections
import functools
import json
import os
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.protocol.serialization import int_struct, read_string, write_string
from kazoo.security import OPEN_ACL_UNSAFE

SUPER = ("digest", "super:migration")
WINDOW = 600  # requests that wait for their replies
PATIENCE = 120  # seconds until a thing that must happen is given up


class GetEphemerals(collections.namedtuple("GetEphemerals", "prefix")):
    """The request that kazoo does not have."""

    type = 103

    def serialize(self):
        return bytearray(write_string(self.prefix))

    @classmethod
    def deserialize(cls, data, offset):
        count = int_struct.unpack_from(data, offset)[0]
        offset += int_struct.size
        paths = []
        for _ in range(count):
            path, offset = read_string(data, offset)
            paths.append(path)
        return paths


def connect(server, auth=(SUPER,), **options):
    options.setdefault("timeout", 60.0)
    client = KazooClient(hosts=server, auth_data=list(auth), **options)
    client.start(timeout=PATIENCE)
    return client


def tell(value):
    sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")


class Window:
    """Requests in flight. What is answered may make more of them."""

    def __init__(self):
        self.todo = collections.deque()  # functions that send and return what to do then
        self.waiting = collections.deque()

    def run(self):
        while self.todo or self.waiting:
            while self.todo and len(self.waiting) < WINDOW:
                self.waiting.append(self.todo.popleft()())
            self.waiting.popleft()()


def join(parent, child):
    return parent.rstrip("/") + "/" + child


def dump(server, _):
    client = connect(server)
    window = Window()

    def visit(path):
        node = client.get_async(path)
        acls = client.get_acls_async(path)
        kids = client.get_children_async(path)
        return lambda: seen(path, node, acls, kids)

    def seen(path, node, acls, kids):
        data, stat = node.get(timeout=PATIENCE)
        acls, _ = acls.get(timeout=PATIENCE)
        kids = sorted(kids.get(timeout=PATIENCE))
        tell(
            {
                "path": path,
                "data": None if data is None else base64.b64encode(data).decode(),
                "stat": list(stat),
                "acl": [[a.perms, a.id.scheme, a.id.id] for a in acls],
                "kids": kids,
            }
        )
        for kid in kids:
            window.todo.append(functools.partial(visit, join(path, kid)))

    window.todo.append(functools.partial(visit, "/"))
    window.run()
    client.stop()


def sessions(server, wanted):
    kept = []
    for number, password, timeout in wanted:
        client = connect(
            server,
            auth=(),
            timeout=timeout / 1000,
            client_id=(number, bytes.fromhex(password)),
        )
        kept.append(client)
        result = client.handler.async_result()
        client._call(GetEphemerals("/"), result)
        tell(
            {
                "session": client.client_id[0],
                "timeout": client._session_timeout,
                "ephemerals": sorted(result.get(timeout=PATIENCE)),
            }
        )
    sys.stdout.flush()
    os._exit(0)  # an orderly end would close the sessions


def probe(server, paths):
    users = {
        "nobody": (),
        "bob": (("digest", "bob:secret"),),
        "eve": (("digest", "eve:guess"),),
        "super": (SUPER,),
    }
    none = 77777777  # a version that no znode has: nothing is changed
    for name, auth in users.items():
        client = connect(server, auth)
        for path in paths:
            results = [
                client.get_async(path),
                client.get_children_async(path),
                client.get_acls_async(path),
                client.set_async(path, b"", none),
                client.delete_async(path, none),
                client.set_acls_async(path, OPEN_ACL_UNSAFE, none),
            ]
            outcomes = []
            for result in results:
                result.wait(PATIENCE)
                outcomes.append(type(result.exception).__name__)
            creation = client.transaction()
            creation.create(join(path, "probe"), b"")
            creation.check("/", none)
            outcomes += [type(result).__name__ for result in creation.commit()]
            tell({"user": name, "path": path, "outcomes": outcomes})
        client.stop()


def number(server, parents):
    client = connect(server)
    window = Window()

    def make(parent):
        result = client.create_async(join(parent, "next-"), b"", sequence=True)
        return lambda: tell({"parent": parent, "name": result.get(timeout=PATIENCE)})

    window.todo.extend(functools.partial(make, parent) for parent in parents)
    window.run()
    client.stop()


def list_paths(server, leaving):
    client = connect(server)
    deadline = time.monotonic() + PATIENCE
    while leaving and time.monotonic() < deadline:
        found = []
        for at in range(0, len(leaving), WINDOW):
            part = leaving[at : at + WINDOW]
            results = [client.exists_async(path) for path in part]
            for path, result in zip(part, results):
                if result.get(timeout=PATIENCE) is not None:
                    found.append(path)
        leaving = found
    window = Window()

    def visit(path):
        result = client.get_children_async(path)
        return lambda: seen(path, result)

    def seen(path, result):
        try:
            kids = result.get(timeout=PATIENCE)
        except NoNodeError:
            return
        tell(path)
        for kid in kids:
            window.todo.append(functools.partial(visit, join(path, kid)))

    window.todo.append(functools.partial(visit, "/"))
    window.run()
    client.stop()


def main():
    verbs = {
        "dump": dump,
        "sessions": sessions,
        "probe": probe,
        "number": number,
        "list": list_paths,
    }
    verb, server = sys.argv[1:]
    text = sys.stdin.read()
    verbs[verb](server, json.loads(text) if text else None)


if __name__ == "__main__":
    main()
