import { styleText } from 'node:util';
import type { Line, Look } from './summary.ts';

/** The part of a terminal that the screen needs. A test passes another object. */
export interface Terminal {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): boolean;
}

const styles: Readonly<Record<Look, Parameters<typeof styleText>[0]>> = {
  strong: 'bold',
  faint: 'dim',
  good: 'green',
  passing: 'yellow',
  bad: 'red',
};

const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';
const clearLine = '\x1b[K';
const clearBelow = '\x1b[J';

/** Draws lines at the bottom of a terminal, over those that it drew before. */
export class Screen {
  private readonly terminal: Terminal;
  private readonly colours: boolean;
  /** The widths of the drawn lines. */
  private drawn: readonly number[] = [];
  /** The terminal's width at that time. */
  private drawnAt: number | undefined;

  constructor(terminal: Terminal, colours: boolean) {
    this.terminal = terminal;
    this.colours = colours;
  }

  /** The widest line. Some terminals wrap a line that fills the last column. */
  get columns(): number {
    return Math.max(1, this.width - 1);
  }

  /** Draws lines, none wider than `columns`. If the terminal has fewer rows, it draws only the first lines. */
  draw(lines: readonly Line[]): void {
    const shown = lines.slice(0, Math.max(1, (this.terminal.rows || 24) - 1));
    const text = shown.map((line) => `${this.painted(line)}${clearLine}\n`).join('');
    // A terminal remembers that a line was wrapped until the line is cleared, even if it is overwritten.
    const clear = this.drawnAt === this.width ? '' : clearBelow;
    this.terminal.write(`${hideCursor}${this.back()}${clear}${text}${clearBelow}`);
    this.drawnAt = this.width;
    this.drawn = shown.map((line) => line.reduce((sum, { text }) => sum + text.length, 0));
  }

  /** Leaves the drawn lines on the screen. A second call does nothing. */
  end(): void {
    this.terminal.write(showCursor);
    this.drawn = [];
  }

  /** Moves to the first drawn line. A terminal that has become narrower has wrapped the lines, so they take more rows now. */
  private back(): string {
    const rows = this.drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / this.width)), 0);
    return rows === 0 ? '\r' : `\r\x1b[${rows}A`;
  }

  /** Some terminals report no size, or 0. */
  private get width(): number {
    return this.terminal.columns || 80;
  }

  private painted(line: Line): string {
    const paint = ({ text, look }: Line[number]) =>
      look === undefined || !this.colours ? text : styleText(styles[look], text, { validateStream: false });
    return line.map(paint).join('');
  }
}
