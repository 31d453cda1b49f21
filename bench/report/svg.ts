/** Plots as SVG text. They use no script, no font and no file of their own. */

export interface Series {
  readonly name: string;
  readonly points: ReadonlyArray<readonly [x: number, y: number]>;
  /** A point that is marked, and its text. */
  readonly mark?: { readonly x: number; readonly y: number; readonly text: string } | undefined;
}

export interface Axis {
  readonly label: string;
  readonly isLog?: boolean;
  /** The texts at places of the axis; round numbers unless told. */
  readonly ticks?: ReadonlyArray<readonly [at: number, text: string]>;
}

const size = { width: 640, height: 320, left: 64, right: 16, top: 16, bottom: 48 };
const colours = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df', '#57606a'];
const colour = (index: number) => colours[index % colours.length] ?? 'black';

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** Lines through the points of each series. */
export function linePlot(series: ReadonlyArray<Series>, x: Axis, y: Axis): string {
  const all = series.flatMap(({ points }) => points);
  const [atX, ticksX] = scale(
    x,
    all.map(([value]) => value),
    size.left,
    size.width - size.right,
  );
  const [atY, ticksY] = scale(
    y,
    all.map(([, value]) => value),
    size.height - size.bottom,
    size.top,
  );
  const lines = series.map(({ points, mark }, index) => {
    const path = points.map(([a, b]) => `${atX(a).toFixed(1)},${atY(b).toFixed(1)}`).join(' ');
    const dots = points.map(
      ([a, b]) =>
        `<circle cx="${atX(a).toFixed(1)}" cy="${atY(b).toFixed(1)}" r="3" fill="${colour(index)}"/>`,
    );
    const marked =
      mark === undefined
        ? ''
        : `<circle cx="${atX(mark.x).toFixed(1)}" cy="${atY(mark.y).toFixed(1)}" r="7" fill="none" stroke="${colour(index)}" stroke-width="2"/>` +
          text(atX(mark.x) - 10, atY(mark.y) - 10, mark.text, 'end');
    return `<polyline points="${path}" fill="none" stroke="${colour(index)}" stroke-width="2"/>${dots.join('')}${marked}`;
  });
  return frame([
    ...axes(
      x,
      ticksX.map(([value, label]) => [atX(value), label]),
      y,
      ticksY.map(([value, label]) => [atY(value), label]),
    ),
    ...lines,
    legend(series.map(({ name }) => name)),
  ]);
}

/** A bar for each row, of parts one beside the other. */
export function barPlot(
  rows: ReadonlyArray<{ readonly name: string; readonly parts: ReadonlyArray<number> }>,
  parts: ReadonlyArray<string>,
  label: string,
): string {
  const most = Math.max(1e-9, ...rows.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0)));
  const left = 150;
  const wide = size.width - left - size.right - 50;
  const bars = rows.flatMap(({ name, parts }, row) => {
    const top = size.top + 20 + row * 26;
    let from = left;
    const blocks = parts.map((part, index) => {
      const width = (part / most) * wide;
      from += width;
      return `<rect x="${(from - width).toFixed(1)}" y="${top}" width="${width.toFixed(1)}" height="18" fill="${colour(index)}"/>`;
    });
    const total = parts.reduce((sum, part) => sum + part, 0);
    return [
      text(left - 6, top + 13, name, 'end'),
      ...blocks,
      text(from + 6, top + 13, total.toFixed(1), 'start'),
    ];
  });
  const height = size.top + 20 + rows.length * 26 + 30;
  return frame([...bars, text(left, height - 10, label, 'start'), legend(parts)], height);
}

type Ticks = ReadonlyArray<readonly [at: number, text: string]>;

/** Where a value stands, and the texts beside the axis. */
function scale(
  axis: Axis,
  values: ReadonlyArray<number>,
  from: number,
  to: number,
): [(value: number) => number, Ticks] {
  const positive = values.filter((value) => value > 0);
  const low = axis.isLog ? Math.min(...positive, 1e9) : 0;
  const high = Math.max(low * 1.01, ...positive, axis.isLog ? low * 10 : 1e-9);
  const [first, last] = axis.isLog ? [Math.log10(low), Math.log10(high)] : [low, high * 1.05];
  const place = (value: number) => {
    const at = axis.isLog ? Math.log10(Math.max(value, low)) : value;
    return from + ((at - first) / (last - first || 1)) * (to - from);
  };
  return [place, axis.ticks ?? (axis.isLog ? decades(first, last) : fifths(last))];
}

function decades(first: number, last: number): Ticks {
  const ticks: [number, string][] = [];
  for (let power = Math.floor(first); power <= last; power += 1)
    for (const digit of [1, 2, 5]) {
      const value = digit * 10 ** power;
      if (Math.log10(value) >= first && Math.log10(value) <= last) ticks.push([value, short(value)]);
    }
  return ticks;
}

function fifths(last: number): Ticks {
  const raw = last / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((digit) => digit * power >= raw) ?? 10);
  const ticks: [number, string][] = [];
  for (let value = 0; value <= last; value += step) ticks.push([value, short(value)]);
  return ticks;
}

function short(value: number): string {
  return value >= 10_000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}

function axes(x: Axis, ticksX: Ticks, y: Axis, ticksY: Ticks): string[] {
  const { left, right, top, bottom, width, height } = size;
  const line = (x1: number, y1: number, x2: number, y2: number, stroke: string) =>
    `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${stroke}"/>`;
  return [
    ...ticksX.flatMap(([at, label]) => [
      line(at, top, at, height - bottom, '#eaeef2'),
      text(at, height - bottom + 16, label, 'middle'),
    ]),
    ...ticksY.flatMap(([at, label]) => [
      line(left, at, width - right, at, '#eaeef2'),
      text(left - 6, at + 4, label, 'end'),
    ]),
    line(left, height - bottom, width - right, height - bottom, '#57606a'),
    line(left, top, left, height - bottom, '#57606a'),
    text((left + width - right) / 2, height - 10, x.label, 'middle'),
    `<text transform="translate(14 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeXml(y.label)}</text>`,
  ];
}

function legend(names: ReadonlyArray<string>): string {
  let at = size.left + 8;
  return names
    .map((name, index) => {
      const item = `<rect x="${at}" y="${size.top - 10}" width="10" height="10" fill="${colour(index)}"/>${text(at + 14, size.top - 1, name, 'start')}`;
      at += 26 + name.length * 7;
      return item;
    })
    .join('');
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeXml(content)}</text>`;
}

function frame(content: ReadonlyArray<string>, height = size.height): string {
  return `<svg viewBox="0 0 ${size.width} ${height}" width="${size.width}" height="${height}" role="img" font-family="sans-serif" font-size="12">${content.join('')}</svg>`;
}
