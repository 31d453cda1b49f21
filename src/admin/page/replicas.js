/**
 * @import {PageState} from '../../core/page-answers.ts'
 * @import {FleetSnapshot, ReplicaRow} from '../../core/page-data.ts'
 */

import { byId, fillTable, make } from './dom.js';
import { duration, latency, number, time } from './words.js';

const tones = { consuming: 'good', parked: 'warn', waiting: 'bad', connecting: 'new', stopped: 'none' };

/** The transports of the replica that serves this page. @param {PageState} state */
export function showTransports({ health, kinds }) {
  fillTable(
    byId('transports', HTMLTableSectionElement),
    Object.entries(health.transports).map(([name, one]) => ({
      key: name,
      cells: [
        `${name} (${kinds[name] ?? 'unknown'})`,
        one.stalled === undefined
          ? { text: one.state, tone: tones[one.state] ?? 'none' }
          : { text: 'stalled', tone: 'bad' },
        { text: number(one.received), class: 'number' },
        { text: number(one.outcomes.applied ?? 0), class: 'number' },
        { text: number(one.held), class: 'number' },
        { text: number(one.outcomes.dead ?? 0), class: 'number' },
        { text: one.lastError ?? '', class: 'id' },
      ],
    })),
    'This replica has no transport.',
  );
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
    rows.map(({ replica, transport, startedAt, seenAt, oldestUnsettled, adopter }, index) => {
      const isLate = now - seenAt > late;
      const gone = adopter === null ? 'gone' : `adopted by ${adopter}`;
      return {
        key: `${replica} ${transport} ${index}`,
        cells: [
          { text: replica, tone: isLate ? 'bad' : 'good' },
          transport,
          {
            text: isLate ? `${gone}, ${duration(now - seenAt)} ago` : `${duration(now - seenAt)} ago`,
            class: 'number',
            title: time(seenAt),
          },
          { text: oldestUnsettled === null ? 'stopped' : latency(oldestUnsettled), class: 'number' },
          { text: duration(seenAt - startedAt), class: 'number', title: time(startedAt) },
        ],
      };
    }),
    'No replica has given a sign of life yet.',
  );
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

/** @param {string} text */
function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/**
 * What is held and why.
 *
 * @param {PageState} state
 * @param {FleetSnapshot | undefined} fleet
 * @param {string | undefined} problem
 */
export function showHeld({ health }, fleet, problem) {
  const { heldBecause, putAsideBecause, wedgedBecause, transports, clocks } = health;
  const held = Object.values(transports).reduce((sum, one) => sum + one.held - one.waiting, 0);
  const waiting = Object.values(transports).reduce((sum, one) => sum + one.waiting, 0);
  /** @type {{ tone: string, text: string }[]} */
  const lines = [];
  /** @type {(tone: string, text: string) => void} */
  const add = (tone, text) => void lines.push({ tone, text });
  if (wedgedBecause !== undefined)
    add('bad', `The replica hangs. ${sentence(wedgedBecause)} Start it again.`);
  if (heldBecause !== undefined)
    add('bad', `Messages are held, ${number(held)} so far; none is lost. ${sentence(heldBecause)}`);
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
    add('bad', `This page cannot read the database. ${sentence(problem)}`);
  if (fleet?.isDeferredCut) add('warn', 'More than 10,000 messages are deferred. The first 10,000 of them:');
  for (const { reason, count } of fleet?.deferred ?? [])
    add('warn', `${number(Math.min(count, 10_000))} deferred messages wait: ${waits[reason] ?? reason}.`);
  if (clocks.ahead.count > 0) add('warn', `The clocks of ${number(clocks.ahead.count)} guests are ahead.`);
  if (clocks.muted.count > 0)
    add('warn', `${number(clocks.muted.count)} guests are muted: all of their heartbeats are stale.`);
  if (waiting > 0) add('none', `${number(waiting)} calls wait for a status.`);
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
