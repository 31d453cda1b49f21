/**
 * @import {PageState, Point} from '../../core/page-answers.ts'
 * @import {Present} from '../../core/page-data.ts'
 */

import { ask, needsToken, signInForm, signOut, textOf } from './api.js';
import { announce, byId, fillTable, part, setText } from './dom.js';
import { showFleet } from './fleet.js';
import { showInstance } from './instance.js';
import { showLetter } from './letter.js';
import { listLetters, showReasons } from './letters.js';
import { Plot } from './plot.js';
import { showHeld, showReplicas, showTransports } from './replicas.js';
import { duration, instanceLink, latency, rate, time, toneOf } from './words.js';

const plots = [
  new Plot(byId('rate'), [
    { name: 'applied, all replicas', of: ({ heartbeats }) => heartbeats, words: rate },
    { name: 'committed, this replica', of: ({ committed }) => committed, words: rate },
  ]),
  new Plot(byId('latency'), [
    { name: 'half of the messages, this replica', of: ({ median }) => median, words: latency },
    { name: '99 of 100', of: ({ slowest }) => slowest, words: latency },
  ]),
];
/** Ten minutes. */
const mostPoints = 300;
/** @type {Point[]} */
let points = [];
/** @type {string | undefined} */
let status;

/** @type {Readonly<Record<PageState['health']['status'], readonly [tone: string, text: string]>>} */
const words = {
  ok: ['good', 'ok: messages flow'],
  degraded: ['warn', 'degraded: see what is held'],
  held: ['bad', 'held: the database is away'],
  down: ['bad', 'down: no broker'],
  stopping: ['none', 'stopping'],
  wedged: ['bad', 'wedged: start it again'],
};

/**
 * @param {string} tone
 * @param {string} text
 */
function showStatus(tone, text) {
  const pill = byId('status');
  pill.dataset.tone = tone;
  setText(pill, text);
  // Only a change of the state is said aloud.
  if (status !== undefined && status !== text) announce(`The state is now: ${text}`);
  status = text;
}

/** The database's clock at its last answer, and by how much it is ahead of the replica's. It goes on while the database is away. */
/** @type {{ last: number | undefined, ahead: number }} */
const databaseClock = { last: undefined, ahead: 0 };

/**
 * @param {number} at
 * @param {Present | undefined} present
 */
function databaseTime(at, present) {
  if (present !== undefined && present.now !== databaseClock.last) {
    databaseClock.last = present.now;
    databaseClock.ahead = present.now - at;
  }
  return at + databaseClock.ahead;
}

/** @param {PageState} state */
function showState(state) {
  const { health, present, fleet, replica, version, at } = state;
  const now = databaseTime(at, present);
  showStatus(...(words[health.status] ?? ['none', health.status]));
  setText(byId('replica'), `${replica} · ${version}`);
  document.title = `${health.status === 'ok' ? '' : `(${health.status}) `}Conductor ${replica}`;
  showTransports(state);
  showHeld(state, fleet);
  showFleet(fleet, now);
  if (fleet !== undefined) showReasons(fleet.letters, now);
  if (present === undefined) return;
  showReplicas(present.replicas, now);
  fillTable(
    byId('transitions', HTMLTableSectionElement),
    present.transitions.map(({ id, instance, from, to, cause, at: when }) => ({
      key: id,
      cells: [
        { text: instance, class: 'id', link: instanceLink(instance) },
        { text: from === null ? to : `${from} → ${to}`, tone: toneOf(to) },
        cause,
        { text: `${duration(now - when)} ago`, class: 'number', title: time(when) },
      ],
    })),
    'No status has changed yet.',
  );
}

const banner = byId('banner');
/** Milliseconds. */
const retryAfter = 5000;

/** The browser connects again by itself, unless the replica refuses. */
function watch() {
  const events = new EventSource('/api/live');
  events.addEventListener('points', ({ data }) => {
    points = JSON.parse(data);
    for (const plot of plots) plot.show(points);
  });
  events.addEventListener('point', ({ data }) => {
    points = [...points, JSON.parse(data)].slice(-mostPoints);
    for (const plot of plots) plot.show(points);
  });
  events.addEventListener('state', ({ data }) => {
    banner.hidden = true;
    showState(JSON.parse(data));
  });
  events.addEventListener('error', () => {
    banner.hidden = false;
    setText(banner, 'The replica does not answer. The figures are old; the page tries again by itself.');
    showStatus('bad', 'no answer');
    if (events.readyState === EventSource.CLOSED) void watchAgain();
  });
}

/** The session may have ended: then the replica answers with the page on which to sign in. */
async function watchAgain() {
  try {
    await showSession();
  } catch (problem) {
    if (needsToken(problem)) return location.reload();
  }
  setTimeout(watch, retryAfter);
}

/* Signing in. */

const sign = byId('sign');
const signing = byId('signing', HTMLDialogElement);
/** The work that waits for the token. @type {(() => Promise<void>) | undefined} */
let retry;

async function showSession() {
  const { signedIn, hasToken } = await ask('/session');
  sign.hidden = !hasToken;
  sign.dataset.signedIn = String(signedIn);
  setText(sign, signedIn ? 'Sign out' : 'Sign in');
}

/** Does the work. If it needs the token, asks for it first and then does the work again. @param {() => Promise<void>} work */
async function asOperator(work) {
  try {
    await work();
  } catch (problem) {
    if (!needsToken(problem)) return showProblem(textOf(problem));
    retry = work;
    signing.showModal();
  }
}

/** @param {string} text */
function showProblem(text) {
  banner.hidden = false;
  setText(banner, text);
  announce(text);
}

signInForm(byId('sign-in', HTMLFormElement), async () => {
  const work = retry;
  retry = undefined;
  signing.close();
  await showSession();
  if (work !== undefined) await asOperator(work);
});
sign.addEventListener('click', async () => {
  if (sign.dataset.signedIn === 'true') {
    await signOut();
    await showSession();
  } else signing.showModal();
});

/* The part behind # says which dialog is open, so that it can be sent to somebody, and Back closes it. */

const dialogs = [byId('instance', HTMLDialogElement), byId('letter-list', HTMLDialogElement)];

function showPlace() {
  const place = new URLSearchParams(location.hash.slice(1));
  const [instance, reason, letter] = [place.get('instance'), place.get('letters'), place.get('letter')];
  for (const dialog of dialogs) dialog.close();
  if (instance !== null) void showInstance(instance);
  else if (letter !== null) void asOperator(() => showLetter(letter));
  else if (reason !== null)
    void asOperator(() => listLetters({ reason, transport: place.get('transport') ?? undefined }));
}

for (const dialog of [...dialogs, signing]) {
  part(dialog, '.close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    // A click beside the dialog.
    if (event.target === dialog) dialog.close();
  });
}
for (const dialog of dialogs)
  dialog.addEventListener('close', () => {
    if (location.hash !== '' && dialogs.every((one) => !one.open))
      history.pushState(null, '', location.pathname);
  });

byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const id = byId('search-id', HTMLInputElement).value.trim();
  if (id === '') return;
  const place = instanceLink(id);
  if (location.hash === place) showPlace();
  else location.hash = place;
});
window.addEventListener('hashchange', showPlace);
window.addEventListener('popstate', () => {
  if (location.hash === '') for (const dialog of dialogs) dialog.close();
});

watch();
showPlace();
void showSession().catch((problem) => showProblem(textOf(problem)));
