/** Rules for the names that messages are published to. */

/** Characters over which one broker or another ends the connection: controls, surrogates, noncharacters. */
const unwritable = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** Bytes. More than any name needs, and less than a line of any protocol (nats-server: 4096). */
const longest = 1024;

/**
 * Whether a broker takes the name. A caller chooses the name for its answer. If the broker ended our connection over it, the call would come
 * again, for ever.
 *
 * @param maxBytes of the name in UTF-8.
 */
export function isWritableName(name: string, maxBytes: number = longest): boolean {
  return name !== '' && Buffer.byteLength(name) <= maxBytes && !unwritable.test(name);
}

/** How a protocol writes its patterns. */
export interface Wildcards {
  /** Between two levels of a name. */
  readonly separator: string;
  /** In place of exactly one level. */
  readonly one: string;
  /** In place of all levels from there on. */
  readonly rest: string;
  /** Whether `rest` also matches zero levels. */
  readonly restMayBeEmpty: boolean;
}

/** NATS: `guests.*`, `guests.>`. */
export const natsWildcards: Wildcards = { separator: '.', one: '*', rest: '>', restMayBeEmpty: false };

/** MQTT 5, section 4.7.1: `guests/+`, `guests/#`, which takes in `guests` as well. */
export const mqttWildcards: Wildcards = { separator: '/', one: '+', rest: '#', restMayBeEmpty: true };

/** Whether a pattern takes in a name, or all that another pattern does. */
export function covers(pattern: string, name: string, wildcards: Wildcards): boolean {
  const { separator, one, rest, restMayBeEmpty } = wildcards;
  const levels = name.split(separator);
  const wanted = pattern.split(separator);
  for (const [index, level] of wanted.entries()) {
    const other = levels[index];
    if (level === rest) return restMayBeEmpty || other !== undefined;
    if (other === undefined || other === rest) return false;
    if (level !== one && level !== other) return false;
  }
  return levels.length === wanted.length;
}

/** The name that a sender publishes to: the last wildcard of the pattern is the sender's place. */
export function nameFor(sender: string, pattern: string, { one, rest }: Wildcards): string {
  return pattern.endsWith(one) || pattern.endsWith(rest) ? pattern.slice(0, -1) + sender : pattern;
}
