/**
 * @import {PageState, PageTransport} from '../../core/page-answers.ts'
 * @import {FleetSnapshot, ReplicaRow} from '../../core/page-data.ts'
 */

import { byId, fillTable, make } from './dom.js';
import { duration, latency, number, roughly, time } from './words.js';

/** What a transport does, and its tone. @type {Readonly<Record<PageTransport['state'], readonly [text: string, tone: string]>>} */
const states = {
  consuming: ['consuming', 'good'],
  parked: ['parked until the database answers', 'warn'],
  waiting: ['no broker, tries again', 'bad'],
  connecting: ['connecting', 'new'],
  stopped: ['stopped', 'none'],
};

/** The transports of the replica that serves this page. @param {PageState} state */
export function showTransports({ health, kinds, at }) {
  fillTable(
    byId('transports', HTMLTableSectionElement),
    Object.entries(health.transports).map(([name, one]) => ({
      key: name,
      cells: [
        `${name} (${kinds[name] ?? 'unknown'})`,
        stateCell(one),
        { text: number(one.received), class: 'number' },
        { text: number(one.outcomes.applied ?? 0), class: 'number' },
        { text: number(one.held), class: 'number' },
        { text: number(one.outcomes.dead ?? 0), class: 'number' },
        errorCell(one, at),
      ],
    })),
    'This replica has no transport.',
  );
}

/** @param {PageTransport} transport */
function stateCell({ stalled, state }) {
  if (stalled !== undefined) return { text: 'stalled', tone: 'bad' };
  const [text, tone] = states[state] ?? [state, 'none'];
  return { text, tone };
}

/**
 * The last error and when it came. It stays after the transport has recovered.
 *
 * @param {PageTransport} transport
 * @param {number} at the replica's clock.
 */
function errorCell({ lastError, lastErrorAt }, at) {
  if (lastError === undefined || lastErrorAt === undefined) return { text: '' };
  const text = `${roughly(at - Date.parse(lastErrorAt))} ago: ${lastError}`;
  return { text, class: 'id', title: time(lastErrorAt) };
}

/** Milliseconds without a sign of life after which a replica is shown as silent. */
const late = 30_000;

/**
 * All replicas, by their signs of life.
 *
 * @param {ReadonlyArray<ReplicaRow>} rows
 * @param {number} now the database's clock.
 */
export function showReplicas(rows, now) {
  fillTable(
    byId('replicas', HTMLTableSectionElement),
    rows.map((row, index) => {
      const { replica, transport, startedAt, seenAt, oldestUnsettled } = row;
      const [word, tone] = signOf(row, now);
      return {
        key: `${replica} ${transport} ${index}`,
        cells: [
          { text: replica, tone },
          transport,
          {
            text: `${word}${(word === '' ? duration : roughly)(now - seenAt)} ago`,
            class: 'number',
            title: time(seenAt),
          },
          // What it held when it stopped has gone back to the broker.
          { text: oldestUnsettled === null ? '–' : latency(oldestUnsettled), class: 'number' },
          { text: roughly(seenAt - startedAt), class: 'number', title: time(startedAt) },
        ],
      };
    }),
    'No replica has given a sign of life yet.',
  );
}

/**
 * What stands before the time of the last sign of life, and its tone. A replica that has stopped in order keeps its row while the broker may keep
 * messages for it.
 *
 * @param {ReplicaRow} row
 * @param {number} now the database's clock.
 * @returns {readonly [word: string, tone: string]}
 */
function signOf({ seenAt, oldestUnsettled, adopter }, now) {
  const isStopped = oldestUnsettled === null;
  if (!isStopped && now - seenAt <= late) return ['', 'good'];
  if (adopter !== null)
    return [`adopted by ${adopter}, ${isStopped ? 'stopped ' : ''}`, isStopped ? 'none' : 'bad'];
  return isStopped ? ['stopped, ', 'none'] : ['gone, ', 'bad'];
}

/** Why deferred messages wait. @type {Readonly<Record<string, string>>} */
const waits = {
  unknown: 'their instance or backup is not in the database yet',
  locked: 'another session holds their row locked',
  contended: 'other transactions were in their way',
  unproven: 'all messages of their method fail; the log names the object',
  quota: 'their guests send more than their quota',
};

/** The replica's own words, with one full stop. @param {string} text */
function sentence(text) {
  return `${text.replace(/[.\s]+$/, '')}.`;
}

/** @param {string | number | undefined} since @param {number} at the replica's clock. */
function forTime(since, at) {
  return since === undefined ? '' : ` for ${roughly(at - new Date(since).getTime())}`;
}

/** @param {string} text */
function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/**
 * What is held and why.
 *
 * @param {PageState} state
 * @param {FleetSnapshot | undefined} fleet
 */
export function showHeld({ health, at, problem, problemSince }, fleet) {
  const { heldBecause, heldSince, putAsideBecause, wedgedBecause, transports, clocks } = health;
  const held = Object.values(transports).reduce((sum, one) => sum + one.held - one.waiting, 0);
  const waiting = Object.values(transports).reduce((sum, one) => sum + one.waiting, 0);
  /** @type {{ tone: string, text: string }[]} */
  const lines = [];
  /** @type {(tone: string, text: string) => void} */
  const add = (tone, text) => void lines.push({ tone, text });
  if (wedgedBecause !== undefined)
    add('bad', `The replica hangs. ${sentence(wedgedBecause)} Start it again.`);
  if (heldBecause !== undefined)
    add(
      'bad',
      `Messages are held${forTime(heldSince, at)}, ${number(held)} so far; none is lost. ${sentence(heldBecause)}`,
    );
  if (putAsideBecause !== undefined)
    add('warn', `All messages of a method are put aside. ${sentence(putAsideBecause)}`);
  for (const [name, { state, lastError }] of Object.entries(transports))
    if (state === 'waiting' || state === 'connecting')
      add('bad', `Transport ${name} has no broker. ${sentence(lastError ?? 'It connects')}`);
  for (const [name, { stalled, adopting }] of Object.entries(transports)) {
    if (stalled !== undefined)
      add(
        'bad',
        `Transport ${name} has received nothing for ${duration(stalled.seconds * 1000)}, although messages wait. ${sentence(capital(stalled.because))}`,
      );
    if (adopting !== undefined)
      add(
        'none',
        `This replica has taken over ${number(adopting.messages)} messages of replica ${adopting.replica}, which is gone, in ${duration(adopting.seconds * 1000)} (transport ${name}).`,
      );
  }
  if (problem !== undefined && heldBecause === undefined)
    add('bad', `This page cannot read the database${forTime(problemSince, at)}. ${sentence(problem)}`);
  if (fleet?.isDeferredCut) add('warn', 'More than 10,000 messages are deferred. The first 10,000 of them:');
  for (const { reason, count } of fleet?.deferred ?? [])
    add('warn', `${number(Math.min(count, 10_000))} deferred messages wait: ${waits[reason] ?? reason}.`);
  if (clocks.ahead.count > 0) add('warn', `The clocks of ${number(clocks.ahead.count)} guests are ahead.`);
  if (clocks.muted.count > 0)
    add('warn', `${number(clocks.muted.count)} guests are muted: all of their heartbeats are stale.`);
  if (waiting > 0)
    add('none', `${number(waiting)} calls of services wait until an instance has a certain status.`);
  if (heldBecause === undefined && held > 0) add('none', `${number(held)} messages are in work.`);
  if (lines.every(({ tone }) => tone === 'none'))
    lines.unshift({ tone: 'good', text: 'Nothing is held, and nothing is deferred.' });
  const list = byId('held');
  const now = lines.map(({ tone, text }) => `${tone} ${text}`).join('\n');
  // Otherwise a selection would go each time.
  if (list.dataset.shown === now) return;
  list.dataset.shown = now;
  list.replaceChildren(...lines.map(({ tone, text }) => make('li', { 'data-tone': tone }, text)));
}
