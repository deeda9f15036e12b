package config

const ensembleText = "This version serves alone. One server.N line, the server's own, is read as " +
	"ZooKeeper reads it: its client address counts, and it runs alone."

const whyNoEnsemble = "ensembles are not there yet"

func ensembleKeys() []Key {
	flag := func(name, def, why, meaning string, fine ...string) Key {
		return Key{Name: name, Kind: KindBool, Default: def, Fine: fine, Status: NoEffect, Why: why,
			Meaning: meaning}
	}
	number := func(name, unit, def, meaning string) Key {
		return Key{Name: name, Kind: KindInt, Unit: unit, Default: def, Status: NoEffect,
			Why: whyAlone, Meaning: meaning}
	}
	return []Key{
		{Name: "server.*", Place: InDynamicFile, Kind: KindServer, Default: "none",
			Meaning: "host:peerPort:electionPort[:role][;[address:]clientPort] of server N. " +
				"Only one line, for the server itself, is accepted; the election port is not used.",
			set: func(*Config, value) {}},
		{Name: "group.*", Place: InDynamicFile, Kind: KindString, Default: "none", Status: NoEffect,
			Why: "hierarchical quorums are not offered", Meaning: "Servers that form a group."},
		{Name: "weight.*", Place: InDynamicFile, Kind: KindString, Default: "1", Status: NoEffect,
			Why: "weighted quorums are not offered: each server counts once", Fine: []string{"1"},
			Meaning: "Weight of a server's vote."},
		{Name: "version", Place: InDynamicFile, Kind: KindString, Default: "none", Status: NoEffect,
			Why: whyAlone, Meaning: "Version of the dynamic file."},
		{Name: "dynamicConfigFile", Kind: KindPath, Default: "none",
			Meaning: "File with the server.N lines, which then must not be in zoo.cfg.",
			set:     func(*Config, value) {}},
		{Name: "reconfigEnabled", Kind: KindBool, Default: "false",
			Meaning: "Allows reconfig; while the server is alone it only decides which error " +
				"answers it.",
			set: func(c *Config, v value) { c.ReconfigEnabled = v.yes }},
		flag("standaloneEnabled", "true", "a server with one server.N line runs alone, not as a "+
			"quorum of one", "false: one server.N line makes a quorum of one.", "true"),
		{Name: "peerType", Kind: KindEnum, Enum: []string{"participant", "observer"},
			Default: "participant", Status: Refused, Fine: []string{"participant"},
			Why: "an observer needs an ensemble, and " + whyNoEnsemble, Remedy: "remove the line",
			Meaning: "Whether the server votes."},
		number("initLimit", "ticks", "none", "How long a follower may take to connect and "+
			"catch up."),
		number("syncLimit", "ticks", "none", "How far a follower may fall behind."),
		number("connectToLearnerMasterLimit", "ticks", "initLimit",
			"How long a follower tries to connect."),
		{Name: "electionAlg", Kind: KindInt, Min: 3, Max: 3, Default: "3", Status: NoEffect,
			Fine: []string{"3"}, Why: whyAlone, Meaning: "Election algorithm; only 3 exists."},
		flag("quorumListenOnAllIPs", "false", whyAlone, "Listens for servers on all interfaces.",
			"false"),
		{Name: "observerMasterPort", Kind: KindInt, Max: 65535, Default: "0", Status: NoEffect,
			Fine: []string{"0"}, Why: whyAlone, Meaning: "Port at which followers feed observers."},
		{Name: "syncEnabled", Aliases: []string{"zookeeper.observer.syncEnabled"}, Kind: KindBool,
			Default: "true", Fine: []string{"true"}, Status: NoEffect, Why: whyAlone,
			Meaning: "Lets observers write to their disks."},
		{Name: "oraclePath", Kind: KindPath, Default: "none", Status: NoEffect, Why: whyAlone,
			Meaning: "File that breaks the tie of two servers."},
		{Name: "multiAddress.enabled", Place: Anywhere, Kind: KindBool, Default: "false",
			Fine: []string{"false"}, Status: NoEffect, Why: whyAlone,
			Meaning: "Allows several addresses per server, separated by |."},
		{Name: "multiAddress.reachabilityCheckTimeoutMs", Place: Anywhere, Kind: KindInt,
			Unit: "ms", Default: "1000", Status: NoEffect, Why: whyAlone,
			Meaning: "How long a check of a server's addresses may take."},
		{Name: "multiAddress.reachabilityCheckEnabled", Place: Anywhere, Kind: KindBool,
			Default: "true", Status: NoEffect, Why: whyAlone,
			Meaning: "Checks which address of a server can be reached."},
		{Name: "localSessionsEnabled", Kind: KindBool, Default: "false", Fine: []string{"false"},
			Status: NoEffect, Why: whyNoLocal, Meaning: "Sessions that only their server knows."},
		{Name: "localSessionsUpgradingEnabled", Kind: KindBool, Default: "false",
			Fine: []string{"false"}, Status: NoEffect, Why: whyNoLocal,
			Meaning: "Makes a local session a full one when it needs to be."},
	}
}

const whyNoLocal = "local sessions are not offered: every session is known to all servers, " +
	"which can do everything that a local one can"

func learnerKeys() []Key {
	row := func(name string, kind Kind, unit, def, meaning string, fine ...string) Key {
		return Key{Name: name, Place: Anywhere, Kind: kind, Unit: unit, Default: def, Fine: fine,
			Status: NoEffect, Why: whyAlone, Meaning: meaning}
	}
	keys := []Key{
		row("leaderServes", KindYesNo, "", "yes", "Whether a leader takes clients.", "yes"),
		row("leader.maxConcurrentSnapSyncs", KindInt, "", "10", "Snapshots sent at once."),
		row("leader.maxConcurrentDiffSyncs", KindInt, "", "100", "Followers fed with log at once."),
		row("leader.maxTimeToWaitForEpoch", KindInt, "ms", "-1", "How long a new leader waits."),
		row("leader.ackLoggingFrequency", KindInt, "", "1000",
			"How often acknowledgements are logged."),
		row("leader.closeSocketAsync", KindBool, "", "false", "Closes sockets in the background."),
		row("learner.closeSocketAsync", KindBool, "", "false", "Closes sockets in the background."),
		row("learner.asyncSending", KindBool, "", "false", "Sends from a thread of its own."),
		row("leaderConnectDelayDuringRetryMs", KindInt, "ms", "100",
			"Delay between two attempts to reach the leader."),
		row("cnxTimeout", KindInt, "ms", "5000", "Time-out of connections for elections."),
		row("quorumCnxnTimeoutMs", KindInt, "ms", "-1", "Time-out of reads for elections."),
		row("fastleader.minNotificationInterval", KindInt, "ms", "200",
			"Shortest time between two rounds of an election."),
		row("fastleader.maxNotificationInterval", KindInt, "ms", "60000",
			"Longest time between two rounds of an election."),
		row("electionPortBindRetry", KindInt, "", "3", "Attempts to listen for elections."),
		row("tcpKeepAlive", KindBool, "", "false", "Keep-alive between servers."),
		row("observer.reconnectDelayMs", KindInt, "ms", "0",
			"Delay before an observer reconnects."),
		row("observer.election.DelayMs", KindInt, "ms", "200",
			"Delay before an observer looks for a leader."),
		row("observerMaster.sizeLimit", KindInt, "bytes", "33554432",
			"Bytes that a follower keeps for observers."),
		row("forward_learner_requests_to_commit_processor_disabled", KindBool, "", "false",
			"Saves the leader work for followers' requests."),
		row("follower.skipLearnerRequestToNextProcessor", KindBool, "", "false",
			"Saves a follower work for observers' requests."),
		row("follower.nodelay", KindBool, "", "true", "TCP_NODELAY at followers."),
		row("leader.nodelay", KindBool, "", "true", "TCP_NODELAY at the leader."),
	}
	for i := range keys {
		switch keys[i].Name {
		case "leader.closeSocketAsync", "learner.closeSocketAsync", "learner.asyncSending":
			keys[i].Aliases = []string{keys[i].Name}
		case "follower.nodelay", "leader.nodelay":
			keys[i].Place = Unprefixed
		}
	}
	return keys
}
