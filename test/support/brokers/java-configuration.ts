/** What the brokers on Java are told, and the configurations of those that want a file. */

/** What the programs are told. */
export interface Setup {
  readonly directory: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly keyStore: string;
  readonly trustStore: string;
  readonly users: ReadonlyMap<string, string>;
}

/** Of the key stores, which hold nothing but what is made for one run. */
export const storePassword = 'conductor';

/** As the initial configuration of Qpid Broker-J has it. */
export function brokerJConfiguration({ port, tlsPort, keyStore, trustStore, users }: Setup): object {
  const common = {
    type: 'AMQP',
    bindingAddress: '127.0.0.1',
    protocols: ['AMQP_1_0'],
    authenticationProvider: 'plain',
    // A client says the host of its URL.
    virtualhostaliases: [{ name: 'host', type: 'hostnameAlias' }],
  };
  return {
    name: 'conductor',
    modelVersion: '9.1',
    authenticationproviders: [
      {
        name: 'plain',
        type: 'Plain',
        users: [...users].map(([name, password]) => ({ name, password, type: 'managed' })),
        // PLAIN on the port without TLS too.
        secureOnlyMechanisms: [],
      },
    ],
    keystores: [{ name: 'keys', type: 'FileKeyStore', storeUrl: keyStore, password: storePassword }],
    truststores: [{ name: 'trust', type: 'FileTrustStore', storeUrl: trustStore, password: storePassword }],
    ports: [
      { ...common, name: 'plain', port },
      {
        ...common,
        name: 'tls',
        port: tlsPort,
        transports: ['SSL'],
        keyStore: 'keys',
        trustStores: ['trust'],
        needClientAuth: true,
      },
    ],
    virtualhostnodes: [
      {
        name: 'default',
        type: 'DERBY',
        defaultVirtualHostNode: true,
        virtualHostInitialConfiguration: JSON.stringify({
          type: 'DERBY',
          nodeAutoCreationPolicies: [
            {
              pattern: '.*',
              createdOnPublish: true,
              createdOnConsume: true,
              nodeType: 'queue',
              attributes: {},
            },
          ],
        }),
      },
    ],
  };
}

/** HiveMQ's config.xml. */
export function hiveMqConfiguration({ port, tlsPort, keyStore, trustStore }: Setup): string {
  return `<?xml version="1.0"?>
<hivemq>
  <listeners>
    <tcp-listener>
      <port>${port}</port>
      <bind-address>127.0.0.1</bind-address>
    </tcp-listener>
    <tls-tcp-listener>
      <port>${tlsPort}</port>
      <bind-address>127.0.0.1</bind-address>
      <tls>
        <keystore>
          <path>${keyStore}</path>
          <password>${storePassword}</password>
          <private-key-password>${storePassword}</private-key-password>
        </keystore>
        <truststore>
          <path>${trustStore}</path>
          <password>${storePassword}</password>
        </truststore>
        <client-authentication-mode>REQUIRED</client-authentication-mode>
      </tls>
    </tls-tcp-listener>
  </listeners>
  <persistence>
    <mode>file</mode>
  </persistence>
  <anonymous-usage-statistics>
    <enabled>false</enabled>
  </anonymous-usage-statistics>
</hivemq>
`;
}
