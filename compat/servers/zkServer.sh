#!/bin/sh
# Starts one server of the kind under test in the foreground, in place of ZooKeeper's own script:
#
#     zkServer.sh start-foreground <zoo.cfg>
#
# The kazoo plug-in calls it, and compat/standin for go-zookeeper's tests: a server is started the
# same way whoever asks. SERVER_JVMFLAGS carries system properties, as with
# ZooKeeper's script; Vivarium reads the variable itself. The environment says what to start:
#
#     COMPAT_SERVER     zookeeper or vivarium
#     COMPAT_JAVA       the java command             (zookeeper)
#     COMPAT_CLASSPATH  its jars                     (zookeeper)
#     COMPAT_VIVARIUM   the binary                   (vivarium)
#     COMPAT_LOGS       folder for the server's output, one file per process
#
# It must exec: callers end the server by the process id they started.
set -eu

if [ "$#" -ne 2 ] || [ "$1" != start-foreground ]; then
    echo "usage: zkServer.sh start-foreground <zoo.cfg>" >&2
    exit 2
fi

# Suites that write their own zoo.cfg leave the address open; keep every server on loopback.
config=$2
if ! grep -q '^clientPortAddress=' "$config"; then
    printf 'clientPortAddress=127.0.0.1\n' | cat "$config" - >"$config.loopback"
    config=$config.loopback
fi

log=$COMPAT_LOGS/$(date +%H%M%S)-$$.log
{
    echo "# $COMPAT_SERVER, SERVER_JVMFLAGS=${SERVER_JVMFLAGS:-}"
    sed 's/^/# /' "$config"
} >>"$log"

case $COMPAT_SERVER in
zookeeper)
    # The tests start some hundred short-lived servers: the first compiler and the serial collector
    # halve the start. UTF-8, because digest credentials are decoded with the JVM's default charset.
    # SERVER_JVMFLAGS is split into words on purpose.
    # shellcheck disable=SC2086
    exec "$COMPAT_JAVA" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx512m \
        -Dfile.encoding=UTF-8 -Djava.awt.headless=true \
        -Dorg.slf4j.simpleLogger.showDateTime=true \
        -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
        ${SERVER_JVMFLAGS:-} -cp "$COMPAT_CLASSPATH" \
        org.apache.zookeeper.server.quorum.QuorumPeerMain "$config" >>"$log" 2>&1
    ;;
vivarium)
    exec "$COMPAT_VIVARIUM" serve --config "$config" >>"$log" 2>&1
    ;;
*)
    echo "zkServer.sh: COMPAT_SERVER is '$COMPAT_SERVER', want zookeeper or vivarium" >&2
    exit 2
    ;;
esac
