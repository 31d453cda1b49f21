import com.hivemq.embedded.EmbeddedExtension;
import com.hivemq.embedded.EmbeddedHiveMQ;
import com.hivemq.extension.sdk.api.ExtensionMain;
import com.hivemq.extension.sdk.api.auth.SimpleAuthenticator;
import com.hivemq.extension.sdk.api.packets.auth.DefaultAuthorizationBehaviour;
import com.hivemq.extension.sdk.api.packets.connect.ConnackReasonCode;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartOutput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopOutput;
import com.hivemq.extension.sdk.api.services.Services;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Arguments: directory with config.xml, the port that lets everybody in, then a name and a password for each user. */
class HiveMq {
  public static void main(String[] args) throws Exception {
    Path directory = Path.of(args[0]);
    int open = Integer.parseInt(args[1]);
    Map<String, String> users = new HashMap<>();
    for (int i = 2; i < args.length; i += 2) users.put(args[i], args[i + 1]);
    SimpleAuthenticator authenticator = (input, output) -> {
      output.getDefaultPermissions().setDefaultBehaviour(DefaultAuthorizationBehaviour.ALLOW);
      String name = input.getConnectPacket().getUserName().orElse(null);
      String password = input.getConnectPacket().getPassword()
          .map(bytes -> StandardCharsets.UTF_8.decode(bytes).toString()).orElse(null);
      int port = input.getConnectionInformation().getListener().map(listener -> listener.getPort()).orElse(0);
      if (port == open || (name != null && password != null && password.equals(users.get(name))))
        output.authenticateSuccessfully();
      else output.failAuthentication(ConnackReasonCode.BAD_USER_NAME_OR_PASSWORD);
    };
    EmbeddedExtension extension = EmbeddedExtension.builder()
        .withId("users").withName("users").withVersion("1").withAuthor("tests").withPriority(0).withStartPriority(1000)
        .withExtensionMain(new ExtensionMain() {
          @Override
          public void extensionStart(ExtensionStartInput input, ExtensionStartOutput output) {
            Services.securityRegistry().setAuthenticatorProvider(ignored -> authenticator);
          }

          @Override
          public void extensionStop(ExtensionStopInput input, ExtensionStopOutput output) {}
        })
        .build();
    EmbeddedHiveMQ broker = EmbeddedHiveMQ.builder()
        .withConfigurationFolder(directory)
        .withDataFolder(Files.createDirectories(directory.resolve("data")))
        .withExtensionsFolder(Files.createDirectories(directory.resolve("extensions")))
        .withEmbeddedExtension(extension)
        .build();
    broker.start().join();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> broker.stop().join()));
    System.out.println("ready");
  }
}
