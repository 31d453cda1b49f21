import type convict from 'convict';
import { type CodecName, codecNames } from '../codecs/index.ts';
import type { Transport } from '../contracts.ts';
import type { JsonObject } from '../json.ts';
import type { Share } from '../lane.ts';
import type { Logger } from '../logger.ts';
import { maskValues, secretsIn } from './secrets.ts';
import { type Section, validate } from './validate.ts';

/** How a transport's senders are told apart; design: `none` believes what a message claims. */
export type AuthMode = 'none' | 'subject' | 'user-id';

/** The options that every kind has. */
export interface CommonOptions {
  kind: string;
  codec: CodecName;
  auth: { mode: AuthMode };
}

/** The schema of the options that every kind has, with the modes that this kind can prove. */
export function commonSchema(kind: string, modes: ReadonlyArray<AuthMode>) {
  return {
    kind: { doc: 'The protocol.', default: kind, format: [kind] },
    codec: {
      doc: 'The wire form: `native`, or `oslo` for OpenStack guests.',
      default: 'native' as CommonOptions['codec'],
      format: codecNames,
    },
    auth: {
      mode: {
        doc: 'How a sender is proven: by the last token of its `subject`, by the broker-validated `user-id`, or not at all (`none`).',
        default: 'none' as AuthMode,
        format: [...modes],
      },
    },
  } satisfies convict.Schema<CommonOptions> & Section;
}

/** What a transport is made with, beside its own options. */
export interface TransportContext {
  readonly name: string;
  readonly share: Share;
  /** A name for this replica that no other one has. */
  readonly replica: string;
  readonly logger: Logger;
}

/** One entry under `transports`, checked. */
export interface ConfiguredTransport {
  readonly name: string;
  readonly options: CommonOptions;
  /** The options with everything sensitive masked. */
  readonly printable: JsonObject;
  /** The values of the sensitive ones. */
  readonly secrets: ReadonlyArray<string>;
  create(context: Omit<TransportContext, 'name'>): Transport;
}

/** A protocol as the configuration sees it. */
export interface TransportKind {
  readonly schema: Section;
  configure(name: string, raw: JsonObject): ConfiguredTransport;
}

/** Binds a kind's schema to its factory, so that the options keep their type in between. */
export function defineKind<Options extends CommonOptions>(
  schema: convict.Schema<Options> & Section,
  create: (options: Options, context: TransportContext) => Transport,
): TransportKind {
  return {
    schema,
    configure(name, raw) {
      const options = validate(schema, raw, `transports.${name}.`);
      return {
        name,
        options,
        printable: maskValues(schema, options),
        secrets: secretsIn(schema, options),
        create: (context) => create(options, { ...context, name }),
      };
    },
  };
}
