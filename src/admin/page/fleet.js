/** @import {FleetSnapshot, StatusCount} from '../../core/page-data.ts' */

import { byId, draw, fillTable, setText } from './dom.js';
import { change, clock, duration, instanceLink, number, share, time, toneOf } from './words.js';

/**
 * Shows the counts of the fleet.
 *
 * @param {FleetSnapshot | undefined} fleet
 * @param {number} now the database's clock.
 */
export function showFleet(fleet, now) {
  if (fleet === undefined) return;
  const all = fleet.statuses.reduce((sum, { count }) => sum + count, 0);
  const alive = fleet.statuses.reduce((sum, { count, isAlive }) => sum + (isAlive ? count : 0), 0);
  setText(byId('fleet-all'), number(all));
  setText(byId('fleet-alive'), number(alive));
  setText(byId('fleet-silent'), number(fleet.silent));
  byId('fleet-silent').className = fleet.silent > 0 ? 'text-warn' : '';
  const gone = fleet.statuses.filter(({ count }) => count > 0);
  fillTable(
    byId('fleet-rows', HTMLTableSectionElement),
    gone.map(({ status, count, change: by }) => ({
      key: status,
      cells: [
        { text: status, tone: toneOf(status) },
        { text: number(count), class: 'number' },
        { text: share(count / all), class: 'number' },
        { text: change(by), class: 'number' },
      ],
    })),
    'No instance has a status yet. The first heartbeat makes one.',
  );
  showBar(gone, all);
  showNote(fleet, now);
  fillTable(
    byId('silent', HTMLTableSectionElement),
    fleet.oldest.map(({ id, status, heardAt }) => ({
      key: id,
      cells: [
        { text: id, class: 'id', link: instanceLink(id) },
        { text: status, tone: toneOf(status) },
        { text: duration(now - heardAt), class: 'number', title: time(heardAt) },
      ],
    })),
    'No guest is silent.',
  );
}

/**
 * @param {FleetSnapshot | undefined} fleet
 * @param {number} now the database's clock.
 */
export function showNote(fleet, now) {
  if (fleet === undefined) return;
  const age = Math.max(0, now - fleet.begunAt);
  setText(
    byId('fleet-note'),
    `Counted ${duration(age)} ago by ${fleet.replica}, for all replicas. The change counts ${number(fleet.changes.count)} ${fleet.changes.count === 1 ? 'change' : 'changes'} of status since ${clock(fleet.changes.since)}.`,
  );
}

/**
 * Rectangles side by side. A part that is too small to see gets no less than a hair.
 *
 * @param {ReadonlyArray<StatusCount>} statuses
 * @param {number} all
 */
function showBar(statuses, all) {
  const bar = byId('fleet-bar', SVGSVGElement);
  let left = 0;
  const parts = statuses.map(({ status, count }) => {
    const width = (100 * count) / all;
    const part = { tone: toneOf(status), x: left, width: Math.max(0.15, width - 0.15) };
    left += width;
    return part;
  });
  while (bar.childElementCount > parts.length) bar.lastElementChild?.remove();
  while (bar.childElementCount < parts.length) bar.append(draw('rect', { height: 18, y: 0 }));
  for (const [index, rect] of [...bar.children].entries()) {
    const { tone, x, width } = parts[index] ?? { tone: 'none', x: 0, width: 0 };
    rect.setAttribute('class', `tone-${tone}`);
    rect.setAttribute('x', `${x}%`);
    rect.setAttribute('width', `${width}%`);
  }
  bar.setAttribute(
    'aria-label',
    all === 0
      ? 'No instances'
      : statuses.map(({ status, count }) => `${status} ${share(count / all)}`).join(', '),
  );
}
