import java.util.HashMap;
import java.util.Map;
import org.apache.qpid.server.SystemLauncher;
import org.apache.qpid.server.SystemLauncherListener;

/** Arguments: directory, the file with the configuration. */
class BrokerJ {
  public static void main(String[] args) throws Exception {
    SystemLauncher launcher = new SystemLauncher(new SystemLauncherListener.DefaultSystemLauncherListener() {
      @Override
      public void errorOnStartup(RuntimeException error) {
        error.printStackTrace();
        System.exit(1);
      }
    });
    Map<String, String> context = new HashMap<>();
    context.put("qpid.work_dir", args[0]);
    // A message whose user id is not its sender is refused.
    context.put("qpid.broker_msg_auth", "true");
    Map<String, Object> attributes = new HashMap<>();
    attributes.put("type", "JSON");
    attributes.put("initialConfigurationLocation", args[1]);
    attributes.put("context", context);
    Runtime.getRuntime().addShutdownHook(new Thread(launcher::shutdown));
    launcher.startup(attributes);
    System.out.println("ready");
  }
}
