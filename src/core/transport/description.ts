import type { JsonObject } from '../json.ts';

/** A configured transport in the words of AsyncAPI 3.0, for `conductor describe`. It has no secrets. */
export interface TransportDescription {
  /** The protocol by AsyncAPI's name. */
  readonly protocol: string;
  readonly protocolVersion?: string;
  /** Each with its port, if the URL has one. */
  readonly hosts: ReadonlyArray<string>;
  /** The address that guests publish to. `{sender}` stands for the sender. */
  readonly address: string;
  /** Bindings by protocol. */
  readonly bindings?: {
    readonly channel?: JsonObject;
    /** Of what the conductor receives. */
    readonly receive?: JsonObject;
    readonly message?: JsonObject;
    /** Of the channel for notifications. */
    readonly topic?: JsonObject;
  };
  /** The protocol's properties of a message, as a JSON Schema by name. */
  readonly headers: JsonObject;
  /** The names among `headers` of the reply address and the correlation id; undefined if the body has them. */
  readonly call?: { readonly replyTo: string; readonly correlationId: string };
}

/** The hosts of an option `url`, which may have several addresses. Leaves out credentials. */
export function hostsOf(url: string): string[] {
  return url.split(',').map((address) => URL.parse(address.trim())?.host || 'localhost');
}

/** The place of the sender in an address. */
export const senderPlace = '{sender}';

/** Headers that are texts, each with its meaning. */
export function textHeaders(meanings: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(
    Object.entries(meanings).map(([name, description]) => [name, { type: 'string', description }]),
  );
}
