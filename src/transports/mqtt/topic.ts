import { Undeliverable } from '../../core/errors.ts';
import { isWritableName } from '../../core/transport/names.ts';
import type { MqttOptions } from './options.ts';

/** Mosquitto ends the connection over more than 200, others over more than 128. */
const maxLevels = 100;

/**
 * Whether an answer may be published there. The name is the caller's to choose, while it is our permissions that it is
 * published with: no wildcard and nothing else over which the broker would end the connection (MQTT 5, section 4.7), none of the
 * broker's own topics, and none that guests are proven by. What more of it the broker ends the connection over, only the operator
 * knows.
 *
 * @param topic that is consumed.
 * @param answerTopic that an answer has to match.
 */
export function mayAnswerTo(
  name: string,
  { topic, answerTopic }: Pick<MqttOptions, 'topic' | 'answerTopic'>,
): boolean {
  const isName = isWritableName(name) && /^[^$+#][^+#]*$/.test(name) && name.split('/').length <= maxLevels;
  return isName && matches(answerTopic, name) && !matches(topic, name);
}

/** Bytes of a PUBLISH packet beside names, ids and body, at most: headers, lengths, and the properties that we set. */
const packetOverhead = 64;

/**
 * Over a larger packet than it has announced the broker ends the connection (MQTT 5, section 3.2.2.3.6).
 *
 * @param texts names and ids that go with the body.
 * @param maximum of the broker's CONNACK, in bytes; undefined: it has said nothing.
 * @throws Undeliverable if the body does not fit with them.
 */
export function assertFits(
  body: Uint8Array,
  texts: ReadonlyArray<string | undefined>,
  maximum: number | undefined,
): void {
  const size = texts.reduce((sum, text = '') => sum + Buffer.byteLength(text), body.length + packetOverhead);
  if (maximum !== undefined && size > maximum)
    throw new Undeliverable(`the body has ${body.length} bytes; the broker takes packets of ${maximum}`);
}

/** Whether a subscription gets what is published to a topic (MQTT 5, section 4.7.1). */
function matches(filter: string, name: string): boolean {
  const levels = name.split('/');
  const wanted = filter.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
