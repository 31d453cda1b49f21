/** The parts of the demo, as its introduction names them. */
export interface Introduced {
  readonly guests: number;
  /** The address of the status page, and the file with its token. */
  readonly page: string;
  readonly token: string;
  /** Connection URLs. */
  readonly database: string;
  readonly broker: string;
  /** The folders of the data, the configuration and the log. */
  readonly data: string;
  readonly config: string;
  readonly log: string;
  /** Further notes for the user. */
  readonly notes: readonly string[];
}

/** Tells a new user which parts run, and two commands to try. */
export function introduction(introduced: Introduced): string {
  const { guests, page, token, database, broker, data, config, log, notes } = introduced;
  const db = new URL(database);
  const { hostname, port } = new URL(broker);
  const tryIt = `mosquitto_pub -h ${hostname} -p ${port} -q 1 -t conductor/my-guest`;
  return [
    `Status page: ${page}   token for dead letters: ${token}`,
    '',
    `${guests} simulated guests send heartbeats over MQTT. The conductor writes them to`,
    'Postgres and acknowledges each one to the broker only after its commit.',
    '',
    `  Postgres   ${database}   data: ${data}`,
    `  MQTT       ${broker}   topic: conductor/<instance id>`,
    `  conductor  ${config}   log: ${log}`,
    ...notes.map((note) => `  Note: ${note}.`),
    '',
    'Look into the database:',
    `  psql -h ${db.hostname} -p ${db.port} -U ${db.username} -d ${db.pathname.slice(1)} -c 'TABLE service_statuses'`,
    'Be a guest yourself:',
    `  ${tryIt} -m '${heartbeat('my-guest')}'`,
    '',
  ].join('\n');
}

/** The shell quotes stop for the date: a heartbeat counts only if it was sent later than the last one. */
function heartbeat(id: string): string {
  const args = `{"instance_id":"${id}","payload":{"service_status":"healthy"},"sent":'$(date +%s)'}`;
  return `{"method":"heartbeat","args":${args}}`;
}
