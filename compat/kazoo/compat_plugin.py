"""A pytest plug-in that points kazoo's unchanged test-suite at the server under test.

kazoo.testing starts its own Java servers (ManagedZooKeeper, three of them in a ZookeeperCluster).
The plug-in replaces these two classes before a test module is imported; no test is changed. What
the tests do with a server - run, stop, reset, destroy, addresses, logs - keeps its meaning, and
every start goes through compat/servers/zkServer.sh, which knows both kinds of server.

Differences to kazoo's own classes, the same for every kind of server:
- one server with no ensemble, on a free loopback port;
- no TLS and no SASL in the configuration: the tests that need them are listed as later;
- start waits until the server answers instead of sleeping for two seconds.

It also keeps to the tests named in the file COMPAT_ONLY (one id per line; without it, to all) and
tells the runner what happens, as JSON lines on the file descriptor COMPAT_EVENTS.
"""

import json
import logging
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

import kazoo.testing.common as common
import kazoo.testing.harness as harness

log = logging.getLogger(__name__)

START_SECONDS = 30
STOP_SECONDS = 10
LOG_LINES = 100
TEXT_CHARS = 20000

# Below the range the kernel takes outgoing ports from: a client that retries a closed port within
# that range can end up connected to itself, or hold the port when the server wants it back.
PORTS = range(12000, 32000)


def free_port():
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port among 200 tried")


class Server:
    """One server process and its folder; stands in for ManagedZooKeeper."""

    host = "127.0.0.1"

    def __init__(self, configuration_entries, java_system_properties):
        self.client_port = free_port()
        self.working_path = tempfile.mkdtemp(prefix="kazoo-")
        self.configuration_entries = configuration_entries
        self.java_system_properties = java_system_properties
        self.process = None

    @property
    def address(self):
        return "%s:%d" % (self.host, self.client_port)

    @property
    def secure_address(self):
        raise RuntimeError("TLS is later")

    @property
    def running(self):
        return self.process is not None

    def run(self):
        """Starts the process; does not wait for it to answer, as the original does not."""
        if self.running:
            return
        data = os.path.join(self.working_path, "data")
        os.makedirs(data, exist_ok=True)
        config = os.path.join(self.working_path, "zoo.cfg")
        entries = [
            "tickTime=2000",
            "dataDir=" + data,
            "clientPort=%d" % self.client_port,
            "clientPortAddress=" + self.host,
            "maxClientCnxns=0",
            "admin.enableServer=false",
            "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
            *self.configuration_entries,
        ]
        with open(config, "w") as out:
            out.write("\n".join(entries) + "\n")
        self.process = subprocess.Popen(
            [os.environ["COMPAT_ZKSERVER"], "start-foreground", config],
            env=dict(os.environ, SERVER_JVMFLAGS=" ".join(self.java_system_properties)),
        )
        log.info("started server %d on port %d", self.process.pid, self.client_port)

    def wait_until_serving(self):
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            code = self.process.poll()
            if code is not None:
                raise RuntimeError("server ended with status %d; see its log" % code)
            if time.monotonic() > deadline:
                raise RuntimeError("server does not serve after %d s" % START_SECONDS)
            time.sleep(0.02)

    def answers(self):
        try:
            with socket.create_connection((self.host, self.client_port), 1) as conn:
                conn.sendall(b"srvr")
                return b"Mode:" in conn.makefile("rb").read()
        except OSError:
            return False

    def stop(self):
        """Ends the process and keeps what is on disk."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.error("server %d ignores SIGTERM for %d s", process.pid, STOP_SECONDS)
            process.kill()
            process.wait()

    def reset(self):
        """Ends the process and forgets what is on disk."""
        self.stop()
        shutil.rmtree(os.path.join(self.working_path, "data"), ignore_errors=True)

    def destroy(self):
        self.stop()
        shutil.rmtree(self.working_path, ignore_errors=True)


class Cluster:
    """A "cluster" of one; stands in for ZookeeperCluster and takes its arguments."""

    def __init__(self, configuration_entries=(), java_system_properties=(), **_ignored):
        self._servers = [Server(configuration_entries, java_system_properties)]

    def __getitem__(self, k):
        return self._servers[k]

    def __iter__(self):
        return iter(self._servers)

    def start(self):
        for server in self:
            server.run()
        for server in self:
            server.wait_until_serving()

    def stop(self):
        for server in self:
            server.stop()
        self._servers = []

    def terminate(self):
        for server in self:
            server.destroy()

    def reset(self):
        for server in self:
            server.reset()

    def get_logs(self):
        folder = os.environ["COMPAT_LOGS"]
        newest = max(os.scandir(folder), key=lambda f: f.stat().st_mtime, default=None)
        if newest is None:
            return []
        with open(newest.path, errors="replace") as lines:
            return lines.readlines()[-LOG_LINES:]

    def get_ssl_client_configuration(self):
        raise RuntimeError("TLS is later")


common.ManagedZooKeeper = Server
common.ZookeeperCluster = Cluster
harness.ZookeeperCluster = Cluster


class Reporter:
    """Selects the tests and writes one event per collection, start and result."""

    def __init__(self, events, only):
        self.events = events
        self.only = only
        self.open = {}

    def emit(self, **event):
        self.events.write(json.dumps(event) + "\n")
        self.events.flush()

    def pytest_collectreport(self, report):
        if report.failed:
            self.emit(event="broken", id=report.nodeid, text=report.longreprtext)

    def pytest_collection_modifyitems(self, config, items):
        self.emit(event="collected", ids=[item.nodeid for item in items])
        if self.only is None:
            return
        left_out = [item for item in items if item.nodeid not in self.only]
        items[:] = [item for item in items if item.nodeid in self.only]
        config.hook.pytest_deselected(items=left_out)

    def pytest_runtest_logstart(self, nodeid):
        self.open[nodeid] = {"outcome": "passed", "seconds": 0.0, "text": ""}
        self.emit(event="start", id=nodeid)

    def pytest_runtest_logreport(self, report):
        result = self.open[report.nodeid]
        result["seconds"] += report.duration
        if report.failed:
            result["outcome"] = "failed"
            result["text"] += "[%s] %s\n" % (report.when, report.longreprtext[-TEXT_CHARS:])
            crash = getattr(report.longrepr, "reprcrash", None)
            if crash is not None:
                first = crash.message.partition("\n")[0]
                result["text"] += "%s:%d: %s\n" % (os.path.relpath(crash.path), crash.lineno, first)
        elif report.skipped and result["outcome"] == "passed":
            result["outcome"] = "skipped"
            reason = report.longrepr
            result["text"] = reason[2] if isinstance(reason, tuple) else str(reason)

    def pytest_runtest_logfinish(self, nodeid):
        result = self.open.pop(nodeid)
        result["seconds"] = round(result["seconds"], 3)
        self.emit(event="result", id=nodeid, **result)


def pytest_configure(config):
    descriptor = os.environ.get("COMPAT_EVENTS")
    events = os.fdopen(int(descriptor), "w") if descriptor else open(os.devnull, "w")
    only = None
    if "COMPAT_ONLY" in os.environ:
        with open(os.environ["COMPAT_ONLY"]) as lines:
            only = {line.rstrip("\n") for line in lines}
    config.pluginmanager.register(Reporter(events, only), "compat-reporter")
