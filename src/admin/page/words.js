/** Numbers, times and statuses in words. */

/** @import {LetterLine} from '../../core/page-answers.ts' */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const shares = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });

/** @param {number} value */
export function number(value) {
  return whole.format(value);
}

/** Three digits are enough for a rate. @param {number | null | undefined} value */
export function rate(value) {
  return value === null || value === undefined
    ? '–'
    : value >= 1000
      ? whole.format(value)
      : short.format(value);
}

/** @param {number} value */
export function share(value) {
  return value > 0 && value < 0.001 ? '< 0.1%' : shares.format(value);
}

/** With its sign. @param {number} value */
export function change(value) {
  if (value === 0) return '·';
  return value > 0 ? `+${whole.format(value)}` : `−${whole.format(-value)}`;
}

/** @param {number | null | undefined} value milliseconds. */
export function latency(value) {
  if (value === null || value === undefined) return '–';
  return value >= 1000 ? `${short.format(value / 1000)} s` : `${short.format(value)} ms`;
}

/** @type {ReadonlyArray<readonly [string, number]>} */
const units = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
];

/** @param {number} value milliseconds. */
export function duration(value) {
  const seconds = Math.max(0, Math.round(value / 1000));
  for (const [index, [unit, length]] of units.entries()) {
    if (seconds < length) continue;
    const [smaller, part] = units[index + 1] ?? ['s', 1];
    const rest = Math.floor((seconds % length) / part);
    return `${Math.floor(seconds / length)} ${unit}${rest > 0 ? ` ${rest} ${smaller}` : ''}`;
  }
  return `${seconds} s`;
}

/**
 * A time that has passed, in its largest unit: a text that changes all the time cannot be selected.
 *
 * @param {number} value milliseconds.
 */
export function roughly(value) {
  const seconds = value / 1000;
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? [];
  if (unit === undefined || length === undefined) return 'less than 1 min';
  return `${Math.floor(seconds / length)} ${unit}`;
}

/** @param {number | string} at milliseconds since the epoch, or the text of a time. */
export function time(at) {
  return new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

/** The hour and the minute where the reader is. @param {number} at */
export function clock(at) {
  return new Date(at).toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hour12: false });
}

const tones = {
  good: [
    'healthy',
    'running',
    'instance ready',
    'active',
    'blocked',
    'promoting replica',
    'ejecting replica source',
    'transferring guest logs',
    'upgrading',
  ],
  new: ['building', 'new', 'restart required'],
  warn: ['unknown', 'paused'],
  bad: ['crashed', 'failed', 'failed to spawn', 'guestagent error', 'error'],
};

/** The tone of a status: good, new, warn, bad or none. The word always stands beside the colour. @param {string} status */
export function toneOf(status) {
  return Object.entries(tones).find(([, names]) => names.includes(status))?.[0] ?? 'none';
}

/**
 * The state of a dead letter in some words, as `conductor dead list` has them (src/commands/dead-list.ts). There `waiting` is the word of a filter.
 *
 * @param {LetterLine<string>} letter
 */
export function letterState({ state, reason, redriveOutcome, redrivenAt, editedAt }) {
  const hasFailed = state === 'dead' && redriveOutcome !== null;
  const failed = redriveOutcome === 'refused' ? 'redrive refused' : `redrive failed: ${reason}`;
  const words = {
    dead: hasFailed ? failed : 'dead',
    waiting: 'waits for its redrive',
    redriven: `redriven: ${redriveOutcome}`,
  };
  const outcome = words[state];
  if (editedAt === null) return outcome;
  const isSince = hasFailed && redrivenAt !== null && editedAt > redrivenAt;
  return `${outcome}, edited${isSince ? ' since' : ''}`;
}

/** @param {string} id */
export function instanceLink(id) {
  return `#instance=${encodeURIComponent(id)}`;
}
