/** @import {Point} from '../../core/page-answers.ts' */

import { draw, make, setText } from './dom.js';
import { clock, time } from './words.js';

/** A plot of one or two lines over the last minutes, in SVG. */

const height = 170;
const inset = { left: 46, right: 8, top: 8, bottom: 20 };
/** Milliseconds: the shortest and the longest span of time that is shown. */
const spans = { least: 120_000, most: 600_000 };
/** Milliseconds: a line is not drawn across a longer time without points. */
const gap = 10_000;

/**
 * A line: its name, its value in a point, and a value in words.
 *
 * @typedef {object} Series
 * @property {string} name
 * @property {(point: Point) => number | null} of
 * @property {(value: number | null) => string} words
 */

export class Plot {
  /**
   * @param {Element} place
   * @param {ReadonlyArray<Series>} series
   */
  constructor(place, series) {
    this.series = series;
    /** @type {ReadonlyArray<Point>} */
    this.points = [];
    /** Of the pointer, from the left. @type {number | undefined} */
    this.pointer = undefined;
    this.values = series.map(() => make('b', {}, '–'));
    const keys = series.map(({ name }, index) =>
      make(
        'li',
        {},
        make('span', { class: `key key-${index}`, 'aria-hidden': 'true' }),
        this.values[index],
        ` ${name}`,
      ),
    );
    this.svg = draw('svg', { role: 'img' });
    place.append(make('ul', { class: 'legend' }, ...keys), this.svg);
    this.svg.addEventListener('pointermove', (event) => this.point(event));
    this.svg.addEventListener('pointerleave', () => this.point(undefined));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  /** @param {ReadonlyArray<Point>} points */
  show(points) {
    this.points = points;
    this.draw();
  }

  /** @param {PointerEvent | undefined} event */
  point(event) {
    this.pointer = event?.offsetX;
    this.draw();
  }

  draw() {
    const width = this.svg.clientWidth;
    if (width === 0) return;
    const last = this.points.at(-1)?.at ?? Date.now();
    const first = Math.max(last - spans.most, Math.min(this.points[0]?.at ?? last, last - spans.least));
    const shown = this.points.filter(({ at }) => at >= first);
    const top = niceTop(
      Math.max(0, ...this.series.flatMap(({ of }) => shown.map((point) => of(point) ?? 0))),
    );
    /** @type {(at: number) => number} */
    const x = (at) => inset.left + ((at - first) / (last - first)) * (width - inset.left - inset.right);
    /** @type {(value: number) => number} */
    const y = (value) => height - inset.bottom - (value / top) * (height - inset.top - inset.bottom);
    /** @type {SVGElement[]} */
    const children = [];
    for (const part of [0, 0.5, 1]) {
      const at = y(part * top);
      children.push(draw('line', { class: 'grid', x1: inset.left, x2: width - inset.right, y1: at, y2: at }));
      children.push(
        draw(
          'text',
          { x: inset.left - 6, y: at + 4, 'text-anchor': 'end' },
          this.series[0]?.words(part * top) ?? '',
        ),
      );
    }
    children.push(draw('text', { x: inset.left, y: height - 4 }, clock(first)));
    children.push(draw('text', { x: width - inset.right, y: height - 4, 'text-anchor': 'end' }, clock(last)));
    for (const [index, { of }] of this.series.entries())
      children.push(draw('path', { class: `series series-${index}`, d: pathOf(shown, of, x, y) }));
    const chosen = this.chosen(shown, x);
    if (chosen !== undefined) {
      children.push(
        draw('line', {
          class: 'hair',
          x1: x(chosen.at),
          x2: x(chosen.at),
          y1: inset.top,
          y2: height - inset.bottom,
        }),
      );
      for (const [index, { of }] of this.series.entries()) {
        const value = of(chosen);
        if (value !== null)
          children.push(draw('circle', { class: `point-${index}`, cx: x(chosen.at), cy: y(value), r: 4 }));
      }
      children.push(
        draw(
          'text',
          { x: (inset.left + width) / 2, y: height - 4, 'text-anchor': 'middle' },
          time(chosen.at),
        ),
      );
    }
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...children);
    this.tell(shown, chosen ?? shown.at(-1));
  }

  /**
   * The point under the pointer.
   *
   * @param {ReadonlyArray<Point>} shown
   * @param {(at: number) => number} x
   */
  chosen(shown, x) {
    const { pointer } = this;
    if (pointer === undefined || shown.length === 0) return undefined;
    /** @type {(point: Point) => number} */
    const distance = ({ at }) => Math.abs(x(at) - pointer);
    return shown.reduce((nearest, point) => (distance(point) < distance(nearest) ? point : nearest));
  }

  /**
   * @param {ReadonlyArray<Point>} shown
   * @param {Point | undefined} point
   */
  tell(shown, point) {
    const parts = this.series.map(({ name, of, words }, index) => {
      const place = this.values[index];
      if (place !== undefined) setText(place, words(point === undefined ? null : of(point)));
      const values = shown.map(of).filter((value) => value !== null);
      const last = shown.at(-1);
      if (values.length === 0 || last === undefined) return `${name}: no values yet`;
      return `${name}: now ${words(of(last))}, between ${words(Math.min(...values))} and ${words(Math.max(...values))}`;
    });
    this.svg.setAttribute('aria-label', parts.join('; '));
  }
}

/**
 * The moves and lines through the points. A lone point is drawn as a dot, by a line of no length.
 *
 * @param {ReadonlyArray<Point>} points
 * @param {(point: Point) => number | null} of
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 */
function pathOf(points, of, x, y) {
  let path = '';
  /** @type {number | undefined} */
  let before;
  for (const point of points) {
    const value = of(point);
    if (value === null) {
      before = undefined;
      continue;
    }
    const joins = before !== undefined && point.at - before < gap;
    path += joins
      ? `L${x(point.at).toFixed(1)} ${y(value).toFixed(1)}`
      : `M${x(point.at).toFixed(1)} ${y(value).toFixed(1)}h0`;
    before = point.at;
  }
  return path;
}

/** The next of 1, 2, 5, 10, 20 ... above the value. @param {number} value */
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? 10 * power;
}
