import java.util.HashSet;
import java.util.Set;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.config.impl.SecurityConfiguration;
import org.apache.activemq.artemis.core.security.Role;
import org.apache.activemq.artemis.core.server.JournalType;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.core.settings.impl.AddressSettings;
import org.apache.activemq.artemis.spi.core.security.ActiveMQJAASSecurityManager;
import org.apache.activemq.artemis.spi.core.security.jaas.InVMLoginModule;

/** Arguments: directory, port, TLS port, key store, trust store, their password, then a name and a password for each user. */
class Artemis {
  public static void main(String[] args) throws Exception {
    SecurityConfiguration users = new SecurityConfiguration();
    for (int i = 6; i < args.length; i += 2) {
      users.addUser(args[i], args[i + 1]);
      users.addRole(args[i], "all");
    }
    // Who gives no name at all, as MQTT allows: on the port without TLS only.
    if (users.getUser("guest") != null) users.setDefaultUser("guest");
    String tls = "?sslEnabled=true;needClientAuth=true;keyStorePath=" + args[3] + ";keyStorePassword=" + args[5]
        + ";trustStorePath=" + args[4] + ";trustStorePassword=" + args[5];
    ConfigurationImpl configuration = new ConfigurationImpl();
    configuration.setJournalType(JournalType.NIO);
    configuration.setJournalDirectory(args[0] + "/journal").setBindingsDirectory(args[0] + "/bindings");
    configuration.setLargeMessagesDirectory(args[0] + "/large").setPagingDirectory(args[0] + "/paging");
    configuration.addAcceptorConfiguration("plain", "tcp://127.0.0.1:" + args[1]);
    configuration.addAcceptorConfiguration("tls", "tcp://127.0.0.1:" + args[2] + tls);
    configuration.addAddressSetting("#", new AddressSettings()
        // What is sent before anybody listens makes a topic otherwise, and is kept for nobody.
        .setDefaultAddressRoutingType(RoutingType.ANYCAST)
        .setDefaultQueueRoutingType(RoutingType.ANYCAST)
        // A queue goes with its last consumer otherwise.
        .setAutoDeleteQueues(false)
        .setAutoDeleteAddresses(false));
    Set<Role> roles = new HashSet<>();
    roles.add(new Role("all", true, true, true, true, true, true, true, true, true, true, true, true));
    configuration.putSecurityRoles("#", roles);
    new EmbeddedActiveMQ()
        .setConfiguration(configuration)
        .setSecurityManager(new ActiveMQJAASSecurityManager(InVMLoginModule.class.getName(), users))
        .start();
    System.out.println("ready");
  }
}
