#!/bin/sh
# Captures the golden files: run.sh SCRATCH GOLDEN. See ../README.md for what SCRATCH holds.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$1 golden=$2
classpath="$scratch/lib/*"

free() {
	python3 -c 'import socket
s = [socket.socket() for _ in range(3)]
[x.bind(("127.0.0.1", 0)) for x in s]
print(*[x.getsockname()[1] for x in s])'
}
set -- $(free)
port=$1
rm -rf "$scratch/srv" && mkdir -p "$scratch/srv/data" "$scratch/classes" "$scratch/oldclasses"
echo 1 >"$scratch/srv/data/myid"
sed -e "s#DIR#$scratch/srv#" -e "s/CLIENTPORT/$1/" -e "s/QUORUMPORT/$2/" \
	-e "s/ELECTIONPORT/$3/" "$here/zoo.cfg" >"$scratch/srv/zoo.cfg"
super=super:$(printf super:admin | openssl sha1 -binary | base64)

javac -cp "$classpath" -d "$scratch/classes" "$here/Drive.java"
javac -cp "$scratch/old/*" -d "$scratch/oldclasses" "$here/Old.java"
go build -o "$scratch/proxy" "$here/proxy.go"
cp "$here/gozk_drive.go" "$scratch/gozk/main.go"
(cd "$scratch/gozk" && go build -o ../gozk_drive .)

cd "$scratch/srv"
java -Xmx256m -cp "$classpath" -Dzookeeper.extendedTypesEnabled=true -Dzookeeper.fips-mode=false \
	-Dzookeeper.DigestAuthenticationProvider.superDigest="$super" \
	-Djava.security.auth.login.config="$here/jaas.conf" \
	org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg >log 2>&1 &
server=$!
trap 'kill $server' EXIT
until grep -q 'leading - broadcast' log; do sleep 1; done

# capture NAME COMMAND... runs COMMAND FRONT CONTROL with a proxy that records NAME.hex.
capture() {
	name=$1
	shift
	rm -f "$scratch/stop" "$scratch/addr" && mkfifo "$scratch/stop"
	"$scratch/proxy" -server "127.0.0.1:$port" -out "$golden/$name.hex" \
		<"$scratch/stop" >"$scratch/addr" &
	proxy=$!
	exec 9>"$scratch/stop"
	until [ -s "$scratch/addr" ]; do sleep 0.1; done
	"$@" $(cat "$scratch/addr") || echo "$name failed"
	exec 9>&-
	wait $proxy
}
quiet=-Dorg.slf4j.simpleLogger.defaultLogLevel=error
capture kazoo "$scratch/venv/bin/python" "$here/kazoo_drive.py"
capture java java $quiet -cp "$classpath:$scratch/classes" Drive
capture java33 java -cp "$scratch/old/*:$scratch/oldclasses" Old
capture gozk "$scratch/gozk_drive"
capture raw python3 "$here/raw_drive.py"
