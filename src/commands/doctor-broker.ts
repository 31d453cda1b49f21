import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import type { Config } from '../core/config/load.ts';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import { warningsOf } from '../core/config/warnings.ts';
import { type ErrorCode, errorCodes } from '../core/error-codes.ts';
import { Durability, lineOf } from '../core/gateway/durability.ts';
import { isObject } from '../core/json.ts';
import { addressesIn } from '../core/transport/addresses.ts';
import type { Inspection } from '../core/transport/contract.ts';
import { meaningOf } from '../core/transport/durability.ts';
import { certificateOf, judgeCertificate, type TlsStart } from './doctor-certificate.ts';
import { type Check, type Finding, ok, type Topic, warning, wrong } from './doctor-check.ts';

interface Inspected {
  readonly config: Config;
  readonly configured: ConfiguredTransport;
  /** Undefined if the transport is a deployer's own and cannot be looked at. */
  readonly inspection: Inspection | undefined;
  readonly warnings: ReadonlyArray<Finding>;
}

/** One broker, as its transport sees it. */
export function brokerTopic(config: Config, configured: ConfiguredTransport): Topic<Inspected> {
  return {
    subject: `transports.${configured.name}`,
    opening: 'sign in',
    async open() {
      const warnings: Finding[] = [];
      const logger = pino(
        { level: 'warn' },
        { write: (line: string) => void warnings.push(findingOf(line)) },
      );
      const share = { messages: config.maxInFlight, bytes: config.maxInFlightBytes };
      const transport = configured.create({ share, replica: config.replica, logger });
      const inspection = await transport.inspect?.();
      const finding =
        inspection === undefined
          ? warning('configuration', 'a transport of your own, which only a start can try')
          : ok('the broker accepts the connection and the credentials');
      return { context: { config, configured, inspection, warnings }, finding };
    },
    checks,
    close: () => Promise.resolve(),
  };
}

const checks: ReadonlyArray<Check<Inspected>> = [
  {
    name: 'topology',
    run: async ({ inspection }) => [
      inspection === undefined || inspection.missing.length === 0
        ? ok('what the transport needs is there')
        : warning(
            'broker-topology',
            `missing, and made at the start if the user may: ${inspection.missing.join(', ')}`,
          ),
    ],
  },
  {
    name: 'settings',
    run: async ({ warnings }) =>
      warnings.length > 0 ? warnings : [ok('no setting that loses messages was found')],
  },
  {
    name: 'durability',
    async run({ config, configured: { name, options }, inspection }) {
      const durability = inspection?.durability;
      if (durability === undefined) return [ok('the broker does not tell before the start')];
      const words = new Map([[name, options.durability]]);
      const judge = new Durability({ required: config.require, databaseWord: 'unknown', words });
      const refusal = judge.judgeSession(name, { durability });
      const judged = judge.report.transports[name];
      if (refusal !== undefined) return [wrong('durability', refusal)];
      return judged?.survives === 'nothing'
        ? judged.shortfalls.map((one) => warning('durability', lineOf(one)))
        : [ok(`a confirmed message survives ${meaningOf(judged?.survives ?? 'nothing')}`)];
    },
  },
  { name: 'certificate', run: ({ configured }) => checkCertificates(configured) },
  {
    name: 'configuration',
    run: async ({ config, configured }) => {
      const lines = warningsOf(configured, config);
      return lines.length > 0
        ? lines.map((line) => warning('configuration', line))
        : [ok('no warning about the configuration')];
    },
  },
];

/** A line of the log, as the transport writes it at a start. */
function findingOf(line: string): Finding {
  const entry: unknown = JSON.parse(line);
  const { msg, code } = isObject(entry) ? entry : {};
  const known: ErrorCode = errorCodes.find((one) => one === code) ?? 'broker-settings';
  return warning(known, String(msg));
}

/** How TLS begins, by the scheme of an address, and the port without one in it. */
const schemes: Readonly<Record<string, readonly [start: TlsStart, port: number]>> = {
  'amqps:': ['tls', 5671],
  'mqtts:': ['tls', 8883],
  'wss:': ['tls', 443],
  'tls:': ['nats', 4222],
};

async function checkCertificates({ options: { tls }, printable }: ConfiguredTransport): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const address of addressesIn(String(printable.url))) {
    const parsed = URL.parse(address);
    const [start, usual] = schemes[parsed?.protocol ?? ''] ?? [];
    if (parsed === null || start === undefined) continue;
    const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
    const port = Number(parsed.port) || (usual ?? 0);
    const certificate = await certificateOf(host, port, start, {
      ...(tls.serverName !== '' && { servername: tls.serverName }),
      ...(tls.cert !== '' && { cert: await readFile(tls.cert), key: await readFile(tls.key) }),
    });
    if (certificate !== undefined)
      findings.push(judgeCertificate(`the certificate of ${host}:${port}`, certificate, 'broker-tls'));
  }
  if (tls.cert !== '') {
    const own = new X509Certificate(await readFile(tls.cert));
    findings.push(judgeCertificate('our certificate in tls.cert', own, 'broker-tls'));
  }
  return findings;
}
