/**
 * @import {LetterLine, LettersAnswer} from '../../core/page-answers.ts'
 * @import {LetterReason} from '../../core/page-data.ts'
 */

import { ask, textOf } from './api.js';
import { announce, byId, fillTable, make, part } from './dom.js';
import { openLetter } from './letter.js';
import { duration, instanceLink, letterState, number, time } from './words.js';

/**
 * The dead letters by reason.
 *
 * @param {ReadonlyArray<LetterReason>} letters
 * @param {number} now
 */
export function showReasons(letters, now) {
  fillTable(
    byId('letters', HTMLTableSectionElement),
    letters.map(({ reason, transport, dead, waiting, redriven, newestAt }) => ({
      key: `${reason} ${transport}`,
      cells: [
        {
          text: reason,
          link: `#letters=${encodeURIComponent(reason)}&transport=${encodeURIComponent(transport)}`,
        },
        transport,
        { text: number(dead), class: dead > 0 ? 'number text-bad' : 'number' },
        { text: number(waiting), class: 'number' },
        { text: number(redriven), class: 'number' },
        { text: `${duration(now - newestAt)} ago`, class: 'number', title: time(newestAt) },
      ],
    })),
    'There are no dead letters.',
  );
}

/**
 * Lists the letters of a reason in the dialog. Throws Refused if the reader is not signed in.
 *
 * @param {{ reason: string, transport: string | undefined }} filter
 */
export async function listLetters(filter) {
  const dialog = byId('letter-list', HTMLDialogElement);
  const first = await ask('/api/letters', { query: filter });
  const title = byId('letter-list-title');
  title.textContent = `Dead letters: ${filter.reason}, ${filter.transport}`;
  const body = make('tbody');
  /** @type {Set<string>} */
  const chosen = new Set();
  /** @type {Map<string, HTMLTableRowElement>} */
  const rows = new Map();
  const message = make('span', { role: 'status' });
  const more = make('button', { type: 'button', class: 'plain' }, 'Show more');
  const all = make('button', { type: 'button' }, 'Redrive all of these');
  const some = make('button', { type: 'button', class: 'plain', disabled: '' }, 'Redrive the chosen ones');

  /** @param {LettersAnswer<string>} answer */
  const add = ({ letters, more: hasMore }) => {
    for (const letter of letters) {
      const row = rowOf(letter, (isChosen) => {
        if (isChosen) chosen.add(letter.id);
        else chosen.delete(letter.id);
        some.disabled = chosen.size === 0;
      });
      rows.set(letter.id, row);
      body.append(row);
    }
    more.hidden = !hasMore;
  };
  /** @param {Readonly<Record<string, string | undefined>>} query */
  const redrive = async (query) => {
    all.disabled = true;
    try {
      const { marked, refused } = await ask('/api/letters/redrive', { method: 'POST', query });
      const left = Object.entries(refused).map(([why, count]) => `${number(count)} ${refusals[why] ?? why}`);
      message.textContent = `${number(marked)} are to be redriven.${left.length > 0 ? ` Not redriven: ${left.join(', ')}.` : ''}`;
      announce(message.textContent);
      const again = await ask('/api/letters', { query: filter });
      body.replaceChildren();
      chosen.clear();
      some.disabled = true;
      add(again);
    } catch (problem) {
      message.textContent = textOf(problem);
    } finally {
      all.disabled = false;
    }
  };
  all.addEventListener('click', () => redrive(filter));
  some.addEventListener('click', () => redrive({ ids: [...chosen].join(',') }));
  more.addEventListener('click', async () => {
    try {
      add(await ask('/api/letters', { query: { ...filter, before: [...rows.keys()].at(-1) } }));
    } catch (problem) {
      message.textContent = textOf(problem);
    }
  });
  add(first);
  const headings = ['Choose', 'Died', 'Method', 'Instance', 'State', 'Detail'];
  const head = make(
    'thead',
    {},
    make('tr', {}, ...headings.map((text) => make('th', { scope: 'col' }, text))),
  );
  part(dialog, '.content').replaceChildren(
    make('div', { class: 'actions' }, all, some, message),
    make(
      'div',
      { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Dead letters' },
      make('table', {}, head, body),
    ),
    make('div', { class: 'actions' }, more),
    make('div', { class: 'one' }),
  );
  if (!dialog.open) dialog.showModal();
  title.focus();
}

/** Why some letters cannot be redriven as they are. @type {Readonly<Record<string, string>>} */
const refusals = {
  counted: 'only count messages that were not kept',
  call: 'are calls, whose callers no longer wait',
  redacted: 'have values that were taken out',
  bodyless: 'have no body',
  cut: 'have only the beginning of their bodies',
};

/**
 * @param {LetterLine<string>} letter
 * @param {(isChosen: boolean) => void} choose
 */
function rowOf(letter, choose) {
  const { id, diedAt, method, instance, state, detail, counted } = letter;
  const box = make('input', { type: 'checkbox', 'aria-label': `Choose dead letter ${id}` });
  box.disabled = state !== 'dead' || counted !== null;
  box.addEventListener('change', () => choose(box.checked));
  const open = make('button', { type: 'button', class: 'link' }, time(diedAt));
  open.addEventListener('click', () => openLetter(id));
  return make(
    'tr',
    {},
    make('td', {}, box),
    make('th', { scope: 'row' }, open),
    make('td', {}, method ?? '–'),
    make(
      'td',
      { class: 'id' },
      instance === null ? '–' : make('a', { href: instanceLink(instance) }, instance),
    ),
    make('td', {}, letterState(letter)),
    make(
      'td',
      { class: 'id' },
      counted === null ? (detail ?? '') : `${number(counted)} messages that were not kept`,
    ),
  );
}
