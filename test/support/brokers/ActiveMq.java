import java.io.File;
import java.io.FileInputStream;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManagerFactory;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.SslContext;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;

/** Arguments: directory, port, TLS port, key store, trust store, their password, then a name and a password for each user. */
class ActiveMq {
  public static void main(String[] args) throws Exception {
    List<AuthenticationUser> users = new ArrayList<>();
    for (int i = 6; i < args.length; i += 2) users.add(new AuthenticationUser(args[i], args[i + 1], "all"));
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(load(args[3], args[5]), args[5].toCharArray());
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(load(args[4], args[5]));
    BrokerService broker = new BrokerService();
    broker.setDataDirectoryFile(new File(args[0]));
    broker.setUseJmx(false);
    broker.setPlugins(new BrokerPlugin[] {new SimpleAuthenticationPlugin(users)});
    broker.setSslContext(new SslContext(keys.getKeyManagers(), trust.getTrustManagers(), null));
    broker.addConnector("amqp://127.0.0.1:" + args[1]);
    broker.addConnector("amqp+ssl://127.0.0.1:" + args[2] + "?needClientAuth=true");
    broker.start();
    broker.waitUntilStarted();
    System.out.println("ready");
    // Its own threads do not keep the process.
    broker.waitUntilStopped();
  }

  private static KeyStore load(String path, String password) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (FileInputStream file = new FileInputStream(path)) {
      store.load(file, password.toCharArray());
    }
    return store;
  }
}
