"""Drives kazoo through every request it can make. Usage: kazoo_drive.py FRONT CONTROL"""

import logging
import socket
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.security import make_digest_acl, OPEN_ACL_UNSAFE

logging.basicConfig(level=logging.ERROR)
front, control = sys.argv[1:3]
host, port = control.split(":")
wires = socket.create_connection((host, int(port))).makefile("rw")


def say(line):
    wires.write(line + "\n")
    wires.flush()
    wires.readline()


def step(name, call):
    say("step " + name)
    try:
        return call()
    except KazooException as e:
        print(name, type(e).__name__)


def multi(zk, *ops):
    t = zk.transaction()
    for name, *args in ops:
        getattr(t, name)(*args)
    return t.commit()


zk = KazooClient(hosts=front, timeout=10)
step("connect", zk.start)
step("auth", lambda: zk.add_auth("digest", "ann:secret"))
step("create", lambda: zk.create("/k", b"\x00\x01data"))
step("create-exists", lambda: zk.create("/k", b""))
step("create-ephemeral-sequential", lambda: zk.create("/k/s-", b"", ephemeral=True, sequence=True))
acl = [make_digest_acl("ann", "secret", all=True), OPEN_ACL_UNSAFE[0]]
step("create-acl", lambda: zk.create("/k/acl", b"x", acl=acl))
step("create2", lambda: zk.create("/k/two", b"22", include_data=True))
step("exists", lambda: zk.exists("/k"))
step("exists-none", lambda: zk.exists("/none"))
told = threading.Semaphore(0)
watch = lambda event: told.release()
step("get-watch", lambda: zk.get("/k", watch=watch))
step("children-watch", lambda: zk.get_children("/k", watch=watch))
step("children2", lambda: zk.get_children("/k", include_data=True))
step("set", lambda: zk.set("/k", "Grüße".encode(), version=0))
told.acquire(timeout=5)
step("set-badversion", lambda: zk.set("/k", b"", version=7))
step("create-utf8", lambda: zk.create("/k/Grüße-世界", b""))
told.acquire(timeout=5)
step("get-utf8", lambda: zk.get("/k/Grüße-世界"))
step("getacl", lambda: zk.get_acls("/k/acl"))
step("setacl", lambda: zk.set_acls("/k/acl", acl[1:], version=0))
step("sync", lambda: zk.sync("/k"))
step("multi", lambda: multi(
    zk, ("create", "/k/m", b"m"), ("set_data", "/k/m", b"mm"), ("check", "/k/m", 1),
    ("delete", "/k/m", 1)))
step("multi-fails", lambda: multi(
    zk, ("create", "/k/n"), ("check", "/k", 99), ("delete", "/k/n")))
step("multi-empty", lambda: multi(zk))
step("reconfig-noauth", lambda: zk.reconfig(
    joining=None, leaving=None, new_members=None))
step("reconfig-badargs", lambda: zk.reconfig(joining="", leaving="7", new_members=""))
step("delete", lambda: zk.delete("/k/two"))
step("delete-notempty", lambda: zk.delete("/k"))
step("close", zk.stop)

sasl = KazooClient(hosts=front, timeout=10, sasl_options={
    "mechanism": "DIGEST-MD5", "username": "bob", "password": "bobsecret"})
step("sasl", sasl.start)
threading.Event().wait(0.5)  # start returns before the last answer of the conversation
step("sasl-create", lambda: sasl.create("/k/sasl", b""))
step("sasl-close", sasl.stop)
