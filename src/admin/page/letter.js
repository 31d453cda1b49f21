/** @import {LetterAnswer} from '../../core/page-answers.ts' */

import { ask, textOf } from './api.js';
import { announce, byId, make, part } from './dom.js';
import { letterState, time } from './words.js';

/** Shows one dead letter below the list of its dialog. Throws Refused if the reader is not signed in. @param {string} id */
export async function showLetter(id) {
  const letter = await ask('/api/letter', { query: { id } });
  const dialog = byId('letter-list', HTMLDialogElement);
  byId('letter-list-title').textContent = `Dead letter ${id}`;
  part(dialog, '.content').replaceChildren(make('div', { class: 'one' }));
  if (!dialog.open) dialog.showModal();
  render(letter);
}

/** Shows one dead letter below the list that is open. @param {string} id */
export async function openLetter(id) {
  const place = part(byId('letter-list'), '.one');
  try {
    render(await ask('/api/letter', { query: { id } }));
  } catch (problem) {
    place.replaceChildren(make('p', { class: 'error', role: 'alert' }, textOf(problem)));
  }
}

/** @param {LetterAnswer<string>} letter */
function render(letter) {
  const place = part(byId('letter-list'), '.one');
  const heading = make('h3', { tabindex: '-1' }, `Dead letter ${letter.id}`);
  place.replaceChildren(heading, factsOf(letter), ...bodyOf(letter), ...editorOf(letter));
  heading.focus();
  place.scrollIntoView({ block: 'nearest' });
}

/** @param {LetterAnswer<string>} letter */
function factsOf(letter) {
  /** @type {ReadonlyArray<readonly [string, string | null]>} */
  const facts = [
    ['Died', time(letter.diedAt)],
    ['State', letterState(letter)],
    ['Reason', letter.reason],
    ['Detail', letter.detail],
    ['Method', letter.method],
    ['Instance', letter.instance],
    ['Message id', letter.messageId],
    [
      'Sender',
      letter.sender &&
        `${letter.sender}, ${letter.senderProof === null ? 'not proven' : `proven by ${letter.senderProof}`}`,
    ],
    ['Edited', letter.editedAt && `${time(letter.editedAt)} by ${letter.editedBy}`],
    ['Redrive', letter.redriveBy && `asked for by ${letter.redriveBy}`],
    ['Last redrive', letter.redrivenAt && time(letter.redrivenAt)],
    ['Trace', letter.trace?.traceparent ?? null],
    ['Body', `${letter.bodySize} bytes`],
  ];
  return make(
    'dl',
    { class: 'facts' },
    ...facts.flatMap(([name, value]) => (value ? [make('dt', {}, name), make('dd', {}, value)] : [])),
  );
}

/** @param {LetterAnswer<string>} letter */
function bodyOf({ body, bodyHex }) {
  const text = body ?? (bodyHex ? `(no text; in hex) ${bodyHex}` : '(no body was kept)');
  return [make('h3', {}, 'Body'), make('pre', { tabindex: '0' }, text)];
}

/** @param {LetterAnswer<string>} letter */
function editorOf(letter) {
  const { id, state, counted, refusal } = letter;
  if (state !== 'dead' || counted !== null) return [];
  const text = make('textarea', { id: 'edited', spellcheck: 'false' });
  text.value = indented(letter.editedBody ?? letter.body ?? '');
  const message = make('p', { role: 'status' });
  const store = make('button', { type: 'button', class: 'plain' }, 'Store this body');
  const redrive = make('button', { type: 'button' }, 'Redrive');
  redrive.disabled = refusal !== null;
  /** @param {() => Promise<string>} work */
  const run = async (work) => {
    store.disabled = true;
    redrive.disabled = true;
    try {
      message.textContent = await work();
      message.className = 'text-good';
      announce(message.textContent);
    } catch (problem) {
      message.textContent = textOf(problem);
      message.className = 'error';
    }
    store.disabled = false;
  };
  store.addEventListener('click', () =>
    run(async () => {
      const headers = { 'content-type': 'application/json' };
      await ask('/api/letter/body', { method: 'PUT', query: { id }, headers, body: text.value });
      render(await ask('/api/letter', { query: { id } }));
      return '';
    }),
  );
  redrive.addEventListener('click', () =>
    run(async () => {
      const { marked } = await ask('/api/letters/redrive', { method: 'POST', query: { ids: id } });
      if (marked === 0) throw new Error('It cannot be redriven as it is.');
      return 'It is to be redriven. A replica that has its transport does it.';
    }),
  );
  return [
    make('h3', {}, make('label', { for: 'edited' }, 'Body for the redrive')),
    text,
    make('div', { class: 'actions' }, store, redrive),
    message,
  ];
}

/** JSON with line breaks, so that it can be read. Other texts stay as they are. @param {string} text */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
