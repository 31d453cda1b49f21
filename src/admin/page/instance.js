/**
 * @import {InstanceAnswer} from '../../core/page-answers.ts'
 * @import {Cell} from './dom.js'
 */

import { ask, textOf } from './api.js';
import { byId, fillTable, make, part } from './dom.js';
import { duration, time, toneOf } from './words.js';

/** Shows what is known of an instance, in its dialog. @param {string} id */
export async function showInstance(id) {
  const dialog = byId('instance', HTMLDialogElement);
  const title = byId('instance-title');
  const content = part(dialog, '.content');
  title.textContent = id;
  content.replaceChildren(make('p', { class: 'quiet' }, 'Asking …'));
  if (!dialog.open) dialog.showModal();
  title.focus();
  let found;
  try {
    found = await ask('/api/instance', { query: { id } });
  } catch (problem) {
    content.replaceChildren(make('p', { class: 'error', role: 'alert' }, textOf(problem)));
    return;
  }
  content.replaceChildren(
    factsOf(found),
    make('h3', {}, 'Why'),
    make('ul', {}, ...found.why.map((reason) => make('li', {}, reason))),
    ...table(
      'Changes of status, the newest first',
      ['When', 'From', 'To', 'Cause'],
      found.transitions,
      (one) => [time(one.changedAt), one.from ?? '–', { text: one.to, tone: toneOf(one.to) }, one.cause],
    ),
    ...table(
      'Deferred messages, the oldest first',
      ['Since', 'Method', 'Transport', 'Reason', 'Attempts'],
      found.deferred,
      (one) => [time(one.firstDeferredAt), one.method, one.transport, one.reason, String(one.attempts)],
    ),
    ...table(
      'Dead letters, the newest first',
      ['Died', 'Method', 'Transport', 'Reason', 'State'],
      found.dead,
      (one) => [
        { text: time(one.diedAt), link: `#letter=${one.id}` },
        one.method ?? '–',
        one.transport,
        one.reason,
        one.state,
      ],
    ),
  );
}

/** @param {InstanceAnswer<string>} answer */
function factsOf({ instance, status }) {
  /** @type {ReadonlyArray<readonly [string, string | undefined]>} */
  const facts = [
    ['Name', instance?.name ?? undefined],
    ['Status', status?.status ?? 'none'],
    [
      'Last heard',
      status?.silentFor == null || status.updatedAt === null
        ? undefined
        : `${duration(status.silentFor * 1000)} ago, ${time(status.updatedAt)}`,
    ],
    ['Sent', status?.sent == null ? undefined : time(status.sent * 1000)],
    ['Created', instance?.created ? time(instance.created) : undefined],
  ];
  return make(
    'dl',
    { class: 'facts' },
    ...facts.flatMap(([name, value]) =>
      value === undefined ? [] : [make('dt', {}, name), make('dd', {}, value)],
    ),
  );
}

/**
 * @template One
 * @param {string} title
 * @param {ReadonlyArray<string>} headings
 * @param {ReadonlyArray<One>} rows
 * @param {(row: One) => ReadonlyArray<string | Cell>} cellsOf
 */
function table(title, headings, rows, cellsOf) {
  if (rows.length === 0) return [make('h3', {}, title), make('p', { class: 'empty' }, 'None.')];
  const body = make('tbody');
  fillTable(
    body,
    rows.map((row, index) => ({ key: String(index), cells: cellsOf(row) })),
    '',
  );
  const head = make(
    'thead',
    {},
    make('tr', {}, ...headings.map((text) => make('th', { scope: 'col' }, text))),
  );
  return [
    make('h3', {}, title),
    make(
      'div',
      { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': title },
      make('table', {}, head, body),
    ),
  ];
}
