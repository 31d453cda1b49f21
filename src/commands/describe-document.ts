import type { Config } from '../core/config/load.ts';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import type { JsonObject } from '../core/json.ts';
import { senderPlace, type TransportDescription } from '../core/transport/description.ts';
import { version } from '../core/version.ts';
import type { Manager } from '../workers/methods/contract.ts';
import { notificationsOf } from './describe-notifications.ts';
import { keyOf, type Parts, reference } from './describe-parts.ts';
import { type PayloadForm, payloadFormOf } from './describe-payloads.ts';
import { type DescribedMethod, describedMethods, sharedSchemas, textOf } from './describe-schemas.ts';

/**
 * The AsyncAPI 3.0 document of a configuration: what the conductor receives, answers and publishes over each transport. It has no
 * secrets.
 */
export function asyncApiDocument(config: Config, manager: Manager): JsonObject {
  const parts: Parts = { servers: {}, channels: {}, operations: {} };
  const { schemas, referring } = sharedSchemas(describedMethods(manager), (key) =>
    reference('components', 'schemas', key),
  );
  for (const configured of config.transports) addTransport(parts, configured, referring, config);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Conductor',
      version,
      description:
        'The conductor receives casts and calls of guests and services, writes them to Postgres, and answers calls.',
    },
    defaultContentType: 'application/json',
    ...parts,
    components: { schemas },
  };
}

/** A transport whose kind says nothing of itself: a deployer's own. */
const unknown: Omit<TransportDescription, 'protocol'> = { hosts: ['localhost'], address: '', headers: {} };

function addTransport(
  { servers, channels, operations }: Parts,
  configured: ConfiguredTransport,
  methods: ReadonlyArray<DescribedMethod>,
  config: Config,
): void {
  const { name, options } = configured;
  const described = configured.describe() ?? { ...unknown, protocol: options.kind };
  const form = payloadFormOf(options);
  const key = keyOf(name);
  const ownServers = described.hosts.map((host, index) => {
    const server = described.hosts.length === 1 ? key : `${key}.${index + 1}`;
    const { protocol, protocolVersion } = described;
    servers[server] = { host, protocol, ...(protocolVersion !== undefined && { protocolVersion }) };
    return reference('servers', server);
  });
  const { address, bindings = {} } = described;
  channels[key] = {
    title: `What the conductor receives over ${name}`,
    ...(address === '' ? { address: null } : { address }),
    servers: ownServers,
    ...(address.includes(senderPlace) && {
      parameters: { sender: { description: 'The instance id of a guest, or the name of a service.' } },
    }),
    ...(bindings.channel !== undefined && { bindings: bindings.channel }),
    messages: Object.fromEntries(
      methods.map((method) => [keyOf(method.name), messageOf(method, form, described)]),
    ),
  };
  channels[`${key}.answers`] = {
    title: `The answers to calls over ${name}`,
    description: 'Each goes to the reply address of its call.',
    address: null,
    servers: ownServers,
    messages: Object.fromEntries(
      methods.map((method) => [keyOf(method.name), answerOf(method, form, described)]),
    ),
  };
  const receive = bindings.receive === undefined ? {} : { bindings: bindings.receive };
  const casts = methods.filter(({ kind }) => kind === 'cast');
  operations[`${key}.casts`] = {
    action: 'receive',
    title: `Casts over ${name}`,
    description: 'A cast with a reply address is a call. The answer has its outcome.',
    channel: reference('channels', key),
    messages: casts.map((method) => reference('channels', key, 'messages', keyOf(method.name))),
    ...receive,
  };
  for (const method of methods) {
    if (method.kind === 'call') {
      operations[`${key}.${keyOf(method.name)}`] = callOf(method, key, form, described, receive);
    }
  }
  notificationsOf({ servers, channels, operations }, { key, name, described, ownServers }, config, options);
}

function messageOf(
  method: DescribedMethod,
  form: PayloadForm,
  { headers, call, bindings }: TransportDescription,
): JsonObject {
  const location =
    call === undefined
      ? `$message.payload#${form.inBody.correlationId}`
      : `$message.header#/${call.correlationId}`;
  return {
    name: method.name,
    title: method.name,
    summary: method.description.summary,
    description: textOf(method),
    contentType: form.contentType,
    headers: { type: 'object', properties: headers },
    payload: form.message(method.name, method.description),
    ...(method.kind === 'call' && { correlationId: { location } }),
    ...(bindings?.message !== undefined && { bindings: bindings.message }),
  };
}

function answerOf(
  { name, result }: DescribedMethod,
  form: PayloadForm,
  { headers, call }: TransportDescription,
): JsonObject {
  const id = call?.correlationId;
  return {
    name: `${name}.answer`,
    title: `The answer to ${name}`,
    ...(id !== undefined && { headers: { type: 'object', properties: { [id]: headers[id] } } }),
    payload: form.answer(result),
    correlationId: {
      location: id === undefined ? `$message.payload#${form.inBody.answered}` : `$message.header#/${id}`,
    },
  };
}

function callOf(
  { name, description }: DescribedMethod,
  key: string,
  form: PayloadForm,
  { call }: TransportDescription,
  receive: object,
): JsonObject {
  const location =
    call === undefined ? `$message.payload#${form.inBody.replyTo}` : `$message.header#/${call.replyTo}`;
  const answers = `${key}.answers`;
  return {
    action: 'receive',
    title: `Calls of ${name}`,
    summary: description.summary,
    channel: reference('channels', key),
    messages: [reference('channels', key, 'messages', keyOf(name))],
    ...receive,
    reply: {
      address: { location, description: 'The reply address of the call.' },
      channel: reference('channels', answers),
      messages: [reference('channels', answers, 'messages', keyOf(name))],
    },
  };
}
