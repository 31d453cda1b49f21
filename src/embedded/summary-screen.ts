import { styleText } from 'node:util';
import type { Line, Look } from './summary.ts';

/** The part of a terminal, or of a file standing in for one, that the screen needs. */
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
  /** The widths of the lines that stand there. */
  private drawn: readonly number[] = [];
  /** The terminal's width when they were drawn. */
  private drawnAt: number | undefined;

  constructor(terminal: Terminal, colours: boolean) {
    this.terminal = terminal;
    this.colours = colours;
  }

  /** How wide a line may be: one that fills the last column makes some terminals wrap. */
  get columns(): number {
    return Math.max(1, this.width - 1);
  }

  /** Lines that are no wider than `columns`; of more than the terminal has rows, only the first are drawn. */
  draw(lines: readonly Line[]): void {
    const shown = lines.slice(0, Math.max(1, (this.terminal.rows || 24) - 1));
    const text = shown.map((line) => `${this.painted(line)}${clearLine}\n`).join('');
    // A line that was wrapped stays marked as such under what is written over it, until it is cleared.
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

  /** To the first line drawn. A terminal that has become narrower has wrapped the lines, so they take more rows now. */
  private back(): string {
    const rows = this.drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / this.width)), 0);
    return rows === 0 ? '\r' : `\r\x1b[${rows}A`;
  }

  /** Some terminals do not say, or say 0. */
  private get width(): number {
    return this.terminal.columns || 80;
  }

  private painted(line: Line): string {
    const paint = ({ text, look }: Line[number]) =>
      look === undefined || !this.colours ? text : styleText(styles[look], text, { validateStream: false });
    return line.map(paint).join('');
  }
}
