package fourletter

// Configuration is what conf says of a server that is alone.
type Configuration struct {
	// Ports are -1 where there is none.
	ClientPort, SecureClientPort int
	DataDir                      string
	DataDirSize                  int64
	DataLogDir                   string
	DataLogSize                  int64
	TickTimeMs                   int64
	// MaxClientConns is 0 for no limit.
	MaxClientConns                           int
	MinSessionTimeoutMs, MaxSessionTimeoutMs int64
	ListenBacklog                            int
	ServerID                                 int64
}

// AppendConf answers conf.
func AppendConf(b []byte, c *Configuration) []byte {
	b = appendLine(b, "clientPort=", int64(c.ClientPort))
	b = appendLine(b, "secureClientPort=", int64(c.SecureClientPort))
	b = appendText(b, "dataDir=", c.DataDir)
	b = appendLine(b, "dataDirSize=", c.DataDirSize)
	b = appendText(b, "dataLogDir=", c.DataLogDir)
	b = appendLine(b, "dataLogSize=", c.DataLogSize)
	b = appendLine(b, "tickTime=", c.TickTimeMs)
	b = appendLine(b, "maxClientCnxns=", int64(c.MaxClientConns))
	b = appendLine(b, "minSessionTimeout=", c.MinSessionTimeoutMs)
	b = appendLine(b, "maxSessionTimeout=", c.MaxSessionTimeoutMs)
	b = appendLine(b, "clientPortListenBacklog=", int64(c.ListenBacklog))
	return appendLine(b, "serverId=", c.ServerID)
}

// AppendDirs answers dirs: the bytes in the data directory and in the log's.
func AppendDirs(b []byte, dataSize, logSize int64) []byte {
	b = appendLine(b, "datadir_size: ", dataSize)
	return appendLine(b, "logdir_size: ", logSize)
}

// Environment is what envi says about the machine. An empty text is printed as <NA>, as
// ZooKeeper does with what it does not know; what is Java's is always unknown here.
type Environment struct {
	Version, HostName                               string
	TempDir, OSName, OSArch, OSVersion              string
	UserName, UserHome, UserDir                     string
	MemoryFreeMB, MemoryMaxMB, MemoryTotalMB        int64
	JavaVersion, JavaVendor, JavaHome, JavaCompiler string
	JavaClassPath, JavaLibraryPath                  string
}

// AppendEnvi answers envi.
func AppendEnvi(b []byte, e *Environment) []byte {
	b = append(b, "Environment:\n"...)
	for _, entry := range []struct{ label, text string }{
		{"zookeeper.version=", e.Version},
		{"host.name=", e.HostName},
		{"java.version=", e.JavaVersion},
		{"java.vendor=", e.JavaVendor},
		{"java.home=", e.JavaHome},
		{"java.class.path=", e.JavaClassPath},
		{"java.library.path=", e.JavaLibraryPath},
		{"java.io.tmpdir=", e.TempDir},
		{"java.compiler=", e.JavaCompiler},
		{"os.name=", e.OSName},
		{"os.arch=", e.OSArch},
		{"os.version=", e.OSVersion},
		{"user.name=", e.UserName},
		{"user.home=", e.UserHome},
		{"user.dir=", e.UserDir},
	} {
		if entry.text == "" {
			entry.text = "<NA>"
		}
		b = appendText(b, entry.label, entry.text)
	}
	b = append(appendField(b, "os.memory.free=", e.MemoryFreeMB), "MB\n"...)
	b = append(appendField(b, "os.memory.max=", e.MemoryMaxMB), "MB\n"...)
	return append(appendField(b, "os.memory.total=", e.MemoryTotalMB), "MB\n"...)
}

func appendText(b []byte, label, text string) []byte {
	return append(append(append(b, label...), text...), '\n')
}
