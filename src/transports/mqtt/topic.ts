import { isWritableName } from '../../core/writable-name.ts';

/** Mosquitto ends the connection over more than 200, others over more than 128. */
const maxLevels = 100;

/**
 * Whether an answer may be published there. The name is the caller's to choose, while it is our permissions that it is
 * published with: no wildcard and nothing else over which the broker would end the connection (MQTT 5, section 4.7), none of the
 * broker's own topics, and none that guests are proven by.
 *
 * @param own the topic that is consumed.
 */
export function mayAnswerTo(name: string, own: string): boolean {
  const isName = isWritableName(name) && /^[^$+#][^+#]*$/.test(name) && name.split('/').length <= maxLevels;
  return isName && !matches(own, name);
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
