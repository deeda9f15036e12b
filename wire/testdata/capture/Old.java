import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.*;

/** Drives the Java client of ZooKeeper 3.3, which knows no read-only servers. */
public class Old {
  public static void main(String[] args) throws Exception {
    String[] hp = args[1].split(":");
    Socket wires = new Socket(hp[0], Integer.parseInt(hp[1]));
    BufferedReader in =
        new BufferedReader(new InputStreamReader(wires.getInputStream()));
    wires.getOutputStream().write("step connect\n".getBytes());
    in.readLine();
    CountDownLatch connected = new CountDownLatch(1);
    ZooKeeper zk = new ZooKeeper(args[0], 12000, e -> connected.countDown());
    connected.await();
    zk.exists("/zookeeper", false);
    zk.close();
  }
}
