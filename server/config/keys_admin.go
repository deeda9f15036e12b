package config

const (
	whyNoAdmin   = "there is no admin server yet; the four-letter words show the same figures"
	whyNoMetrics = "there is no metrics server yet; the word mntr gives the same figures"
	whyNoPaths   = "requests are not counted per path"
)

func adminKeys() []Key {
	keys := []Key{
		{Name: "4lw.commands.whitelist", Place: Anywhere, Kind: KindList, Default: "srvr",
			Meaning: "Four-letter words that are answered, separated by commas; * is all. srvr " +
				"always is.",
			set: func(c *Config, v value) { c.FourLetterWords = append([]string{}, v.list...) }},
		{Name: "audit.enable", Place: Anywhere, Kind: KindBool, Default: "false", Status: Refused,
			Fine: []string{"false"}, Why: "there is no audit log yet, and nobody would notice",
			Remedy: "remove it or write false", Meaning: "Writes who changed what to a log."},
		{Name: "audit.impl.class", Place: Anywhere, Kind: KindString, Default: "Slf4jAuditLogger",
			Status: NoEffect, Why: "there is no audit log yet", Meaning: "Java class of that log."},
		{Name: "messageTracker.Enabled", Place: Anywhere, Kind: KindBool, Default: "false",
			Fine: []string{"false"}, Status: NoEffect, Why: whyTuned,
			Meaning: "Keeps the last messages between servers."},
		{Name: "messageTracker.BufferSize", Place: Anywhere, Kind: KindInt, Default: "10",
			Status: NoEffect, Why: whyTuned, Meaning: "How many of them."},
	}
	keys = append(keys, adminServerKeys()...)
	keys = append(keys, metricsKeys()...)
	return append(keys, pathStatsKeys()...)
}

func adminServerKeys() []Key {
	row := func(name string, kind Kind, unit, def, meaning string, fine ...string) Key {
		return Key{Name: "admin." + name, Place: Anywhere, Kind: kind, Unit: unit, Default: def,
			Fine: fine, Status: NoEffect, Why: whyNoAdmin, Meaning: meaning}
	}
	keys := []Key{
		row("enableServer", KindBool, "", "false (ZooKeeper: true)", "Starts the admin server.",
			"false"),
		row("serverAddress", KindAddress, "", "0.0.0.0", "Address it listens on."),
		row("serverPort", KindInt, "", "8080", "Port it listens on."),
		row("idleTimeout", KindInt, "ms", "30000", "Closes its idle connections."),
		row("commandURL", KindString, "", "/commands", "Path of its commands."),
		row("portUnification", KindBool, "", "false", "HTTP and HTTPS on one port.", "false"),
		row("forceHttps", KindBool, "", "false", "HTTPS alone.", "false"),
		row("needClientAuth", KindBool, "", "false", "Wants certificates of clients.", "false"),
		row("rateLimiterIntervalInMS", KindInt, "ms", "300000",
			"Least time between two snapshots or restores."),
		row("snapshot.enabled", KindBool, "", "true", "Allows the command snapshot.", "false"),
		row("restore.enabled", KindBool, "", "true", "Allows the command restore.", "false"),
		row("httpVersion", KindInt, "", "11", "Version of HTTP."),
	}
	keys[2].Max = 65535
	return keys
}

func metricsKeys() []Key {
	row := func(name string, kind Kind, def, meaning string) Key {
		return Key{Name: "metricsProvider." + name, Kind: kind, Default: def, Status: NoEffect,
			Why: whyNoMetrics, Meaning: meaning}
	}
	keys := []Key{
		row("className", KindString, "DefaultMetricsProvider", "Java class that offers metrics."),
		row("httpHost", KindAddress, "0.0.0.0", "Address of the metrics server."),
		row("httpPort", KindInt, "7000", "Port of the metrics server."),
		row("httpsPort", KindInt, "none", "Port of the metrics server with TLS."),
		row("exportJvmInfo", KindBool, "true", "Offers figures of the Java machine."),
		row("numWorkerThreads", KindInt, "1", "Threads of the metrics server."),
		row("maxQueueSize", KindInt, "10000", "Observations that wait to be counted."),
		row("workerShutdownTimeoutMs", KindInt, "1000", "How long its end may take."),
		row("*", KindSecret, "none", "Settings of another provider."),
	}
	keys[0].Fine = []string{"org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
		"org.apache.zookeeper.metrics.impl.NullMetricsProvider"}
	return keys
}

func pathStatsKeys() []Key {
	row := func(name string, kind Kind, def, meaning string, fine ...string) Key {
		return Key{Name: "pathStats." + name, Place: Anywhere, Kind: kind, Default: def, Fine: fine,
			Status: NoEffect, Why: whyNoPaths, Meaning: meaning}
	}
	return []Key{
		row("enabled", KindBool, "false", "Counts requests per path.", "false"),
		row("slotCapacity", KindInt, "60", "Slots of time it keeps."),
		row("slotDuration", KindInt, "15", "Seconds of a slot."),
		row("maxDepth", KindInt, "6", "Elements of a path it looks at."),
		row("sampleRate", KindFloat, "0.1", "Share of requests it counts."),
		row("initialDelay", KindInt, "5", "Minutes before the first report."),
		row("delay", KindInt, "5", "Minutes between reports."),
		row("topPathMax", KindInt, "20", "Paths in a report."),
	}
}

const javaText = "Threads, buffers, caches and pauses of the Java server. They are read and have " +
	"no effect."

func javaKeys() []Key {
	row := func(name string, kind Kind, unit, def, meaning string) Key {
		return Key{Name: name, Place: Anywhere, Kind: kind, Unit: unit, Default: def,
			Status: NoEffect, Why: whyTuned, Meaning: meaning}
	}
	keys := []Key{
		row("serverCnxnFactory", KindString, "", "NIOServerCnxnFactory",
			"Class of the network code."),
		row("maxResponseCacheSize", KindInt, "", "400", "Answers of getData kept encoded."),
		row("maxGetChildrenResponseCacheSize", KindInt, "", "400",
			"Answers of getChildren kept encoded."),
		row("nio.numSelectorThreads", KindInt, "", "by cores", "Threads that wait for sockets."),
		row("nio.numWorkerThreads", KindInt, "", "by cores", "Threads that read and write."),
		row("nio.directBufferBytes", KindInt, "bytes", "65536", "Buffer outside the heap."),
		row("nio.shutdownTimeout", KindInt, "ms", "5000", "How long their end may take."),
		row("commitProcessor.numWorkerThreads", KindInt, "", "by cores", "Threads that answer."),
		row("commitProcessor.shutdownTimeout", KindInt, "ms", "5000",
			"How long their end may take."),
		row("commitProcessor.maxReadBatchSize", KindInt, "", "-1", "Reads between two commits."),
		row("commitProcessor.maxCommitBatchSize", KindInt, "", "1", "Commits between two reads."),
		row("watchManagerName", KindString, "", "WatchManager", "Class of the watch table."),
		row("watcherCleanThreadsNum", KindInt, "", "2", "Threads that drop dead watches."),
		row("watcherCleanThreshold", KindInt, "", "1000", "Dead watches that are dropped at once."),
		row("watcherCleanIntervalInSeconds", KindInt, "s", "600", "How often they are dropped."),
		row("maxInProcessingDeadWatchers", KindInt, "", "-1", "Dead watches that may wait."),
		row("bitHashCacheSize", KindInt, "", "10", "Cache of the optimised watch table."),
		row("netty.advancedFlowControl.enabled", KindBool, "", "false", "Flow control of Netty."),
		row("intBufferStartingSizeBytes", KindInt, "bytes", "1024", "First size of a buffer."),
		row("jmx.log4j.disable", KindBool, "", "false", "Hides the logger from JMX."),
		row("jmx.log4j.mbean", KindString, "", "log4j:hierarchy=default",
			"JMX name of the logger."),
		row("log.dir", KindString, "", "the start script's", "Directory of log files."),
		row("log.file", KindString, "", "the start script's", "Name of the log file."),
		row("log.threshold", KindString, "", "INFO", "Level of the log."),
		row("root.logger", KindString, "", "INFO,CONSOLE", "Loggers and their level."),
		row("console.threshold", KindString, "", "INFO", "Level of the log on the console."),
		row("auditlog.file", KindString, "", "the start script's", "Name of the audit log's file."),
		row("auditlog.threshold", KindString, "", "INFO", "Level of the audit log."),
	}
	for _, pause := range []Key{
		{Name: "monitor", Kind: KindBool, Default: "false", Fine: []string{"false"},
			Meaning: "Watches for pauses of the Java machine."},
		{Name: "info-threshold.ms", Kind: KindInt, Unit: "ms", Default: "1000",
			Meaning: "Pause that is logged."},
		{Name: "warn-threshold.ms", Kind: KindInt, Unit: "ms", Default: "10000",
			Meaning: "Pause that is warned of."},
		{Name: "sleep.time.ms", Kind: KindInt, Unit: "ms", Default: "500",
			Meaning: "How often it looks."},
	} {
		pause.Name, pause.Status, pause.Why = "jvm.pause."+pause.Name, NoEffect, whyTuned
		keys = append(keys, pause)
	}
	return keys
}
