import { ConfigError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Logger } from '../logger.ts';
import { type CodecName, codecNames } from '../message/codecs/index.ts';
import { differingKeys, isOption, oneOf, type Section, type ValuesOf } from '../options.ts';
import type { Share, Transport } from '../transport/contract.ts';
import type { TransportDescription } from '../transport/description.ts';
import { securitySchema, withPasswordFile } from '../transport/security.ts';
import type { Sender } from '../transport/sender.ts';
import { shown } from './names.ts';
import { type AuthMode, authSchema } from './schema-auth.ts';
import { maskValues, type Secret, secretsIn } from './secrets.ts';
import { validate } from './validate.ts';

/** The schema of the options that every kind has, with the modes that this kind can prove. */
export function commonSchema(kind: string, modes: ReadonlyArray<AuthMode>) {
  return {
    kind: { doc: 'The protocol.', default: kind, format: [kind] },
    codec: {
      doc: 'The wire form: `native`, `oslo` for OpenStack guests, or `cloudevents` for CloudEvents 1.0.',
      default: 'native' as CodecName,
      format: codecNames,
    },
    auth: authSchema(modes),
    durability: {
      doc: 'What a message survives that the broker has confirmed, as you know it. It counts only for what the protocol does not tell ([durability.md](durability.md)). `unknown`: the replica assumes the worst.',
      ...oneOf('unknown', 'process', 'power', 'failover'),
    },
    ...securitySchema,
  } satisfies Section;
}

/** The options that every kind has. */
export type CommonOptions = ValuesOf<ReturnType<typeof commonSchema>>;

/** The arguments of a new transport, beside its own options. */
export interface TransportSetup {
  readonly name: string;
  readonly share: Share;
  /** A name for this replica that no other one has. */
  readonly replica: string;
  readonly logger: Logger;
  /** Whether to read the context of the sender's span from a message's properties (`DeliveryMeta.trace`). Left out: false. */
  readonly readsTrace?: boolean | undefined;
}

/** One checked entry under `transports`. */
export interface ConfiguredTransport {
  readonly name: string;
  readonly options: CommonOptions;
  /** The options, with sensitive values masked. */
  readonly printable: JsonObject;
  /** The keys of the options that are not the defaults. */
  readonly differing: ReadonlyArray<string>;
  /** The values of the sensitive ones. */
  readonly secrets: ReadonlyArray<Secret>;
  /** The keys of credentials and certificates, without `url`. */
  readonly credentials: ReadonlyArray<string>;
  create(context: Omit<TransportSetup, 'name'>): Transport;
  /** The sending side of the same entry. Throws ConfigError if the kind has none. */
  createSender(context: SenderSetup): Sender;
  /** For `conductor describe`; undefined if the kind says nothing. */
  describe(): TransportDescription | undefined;
}

/** The arguments of a new sender, beside its own options. */
export interface SenderSetup {
  /** The name of the connection, in protocols that have one. */
  readonly clientName: string;
  readonly logger: Logger;
}

/** Mode `trove` needs codec oslo, and the key that encrypts the instances' keys. Throws ConfigError. */
function checkTroveAuth({ codec, auth }: CommonOptions, prefix: string): void {
  if (auth.mode !== 'trove') return;
  if (codec !== 'oslo')
    throw new ConfigError(`${prefix}auth.mode: trove needs codec oslo, whose messages Trove encrypts`);
  if (auth.instRpcKeyEncrKey === '') {
    throw new ConfigError(
      `${prefix}auth.instRpcKeyEncrKey: is required with mode trove: inst_rpc_key_encr_key in trove.conf`,
    );
  }
}

/** Mode `hmac` signs the native form and events in structured mode. Oslo's senders do not sign. Throws ConfigError. */
function checkHmacAuth({ codec, auth }: CommonOptions, prefix: string): void {
  if (auth.mode === 'hmac' && codec === 'oslo')
    throw new ConfigError(
      `${prefix}auth.mode: hmac needs codec native or cloudevents; with codec oslo, trove proves the sender`,
    );
}

/** A protocol as the configuration sees it. */
export interface TransportKind {
  readonly schema: Section;
  configure(name: string, raw: JsonObject): ConfiguredTransport;
}

/** Sensitive options, files with their values, and all that every kind has for signing in. */
function credentialKeys(schema: Section, path: ReadonlyArray<string> = []): string[] {
  return Object.entries(schema).flatMap(([name, node]) => {
    const key = [...path, name].join('.');
    if (!isOption(node)) return credentialKeys(node, [...path, name]);
    const [section = ''] = key.split('.');
    const isCredential = node.sensitive === true || name.endsWith('File') || section in securitySchema;
    return isCredential && key !== 'url' ? [key] : [];
  });
}

/**
 * Binds a kind's schema to its factories. The factories get options of the type that the schema describes.
 *
 * @param createSender left out: the client library cannot send on this kind.
 * @param check of several options together. Throws ConfigError with `prefix` and the key.
 * @param describe left out: `conductor describe` says nothing of the protocol.
 */
export function defineKind<Schema extends ReturnType<typeof commonSchema> & Section>(
  schema: Schema,
  create: (options: ValuesOf<Schema>, setup: TransportSetup) => Transport,
  createSender?: (options: ValuesOf<Schema>, setup: SenderSetup) => Sender,
  check: (options: ValuesOf<Schema>, prefix: string) => void = () => {},
  describe: (options: ValuesOf<Schema>) => TransportDescription | undefined = () => undefined,
): TransportKind {
  return {
    schema,
    configure(name, raw) {
      const prefix = `transports.${shown(name)}.`;
      const options = withPasswordFile(validate(schema, raw, prefix), prefix);
      checkTroveAuth(options, prefix);
      checkHmacAuth(options, prefix);
      check(options, prefix);
      return {
        name,
        options,
        printable: maskValues(schema, options),
        differing: differingKeys(schema, options),
        secrets: secretsIn(schema, options),
        credentials: credentialKeys(schema),
        create: (context) => create(options, { ...context, name }),
        createSender(context) {
          if (createSender === undefined)
            throw new ConfigError(`${prefix}kind: ${options.kind} can only receive`);
          return createSender(options, context);
        },
        describe: () => describe(options),
      };
    },
  };
}
