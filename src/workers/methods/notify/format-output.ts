/**
 * Formats the text of a fault as Trove stores it (trove/common/utils.py, `format_output`): lines that are too long for a screen are
 * broken after sentences, before parentheses and after colons.
 */

/** The longest line, in characters. */
const lineLength = 79;

/** The breaks, in the order of trial: the text to find, the end of the broken line, and the beginning of the next one. */
const breaks = [
  { text: '. ', ends: '.', begins: '' },
  { text: ' (', ends: '', begins: '(' },
  { text: ': ', ends: ':', begins: '    ' },
] as const;
type Break = (typeof breaks)[number];

/**
 * @param text one text, or the lines of a traceback.
 * @param width characters. A longer text ends in `...`.
 */
export function formatOutput(text: string | ReadonlyArray<string>, width = Number.POSITIVE_INFINITY): string {
  const formatted = format(typeof text === 'string' ? linesOf(text) : text);
  if (formatted.length <= width) return formatted;
  // Postgres counts characters, JavaScript UTF-16 units.
  const characters = Array.from(formatted.slice(0, 2 * width + 2));
  return characters.length <= width ? formatted : `${characters.slice(0, width - 3).join('')}...`;
}

function format(lines: ReadonlyArray<string>): string {
  const out: string[] = [];
  let turn = 0;
  for (const line of lines) {
    if (!isLong(line)) out.push(line);
    // A line of a traceback may contain several lines. They become lines of their own once one of them is broken.
    else if (linesOf(line).length > 1) {
      const { text, ends, begins } = breakAt(turn);
      turn += 1;
      for (const piece of linesOf(line.replace(text, () => `${ends}\n${begins}`)))
        new Line(piece, out).format(turn);
    } else turn = new Line(line, out).format(turn);
  }
  return out.join('');
}

function breakAt(turn: number): Break {
  return breaks[turn % breaks.length] ?? breaks[0];
}

/** A part of a line: the text before it, and its offsets. */
interface Part {
  readonly indent: string;
  readonly from: number;
  readonly to: number;
  /** The text after it, if it was broken off. */
  readonly end: string;
}

/**
 * One line, broken until its parts are short enough or have no more breaks. Trove breaks off the first part and searches the rest anew.
 * Here each search continues where the last one for the same text ended. So the time grows linearly with the line, not with its
 * square.
 */
class Line {
  private readonly line: string;
  private readonly out: string[];
  private readonly hasPairs: boolean;
  /** The next offset of each break; the line's length if there is none. */
  private readonly found: { at: number }[];

  constructor(line: string, out: string[]) {
    this.line = line;
    this.out = out;
    this.hasPairs = /[\ud800-\udbff]/.test(line);
    this.found = breaks.map(({ text }) => ({ at: indexOrEnd(line, text, 0) }));
  }

  /** @returns the index of the break to try first on the next line. */
  format(turn: number): number {
    const whole = { indent: '', from: 0, to: this.line.length, end: '' };
    if (this.isLong(whole)) return this.break(whole, turn);
    this.out.push(this.line);
    return turn;
  }

  /**
   * Breaks a part that is too long. Its first piece is broken further at other texts only, so the recursion is no deeper than the number
   * of texts.
   */
  private break(part: Part, firstTurn: number): number {
    let rest = part;
    let turn = firstTurn;
    let firstBroken: number | undefined;
    for (;;) {
      const broken = this.split(rest, turn);
      turn = broken.turn;
      firstBroken ??= turn;
      if (broken.second === undefined) {
        this.write(broken.first);
        return firstBroken;
      }
      if (this.isLong(broken.first)) this.break(broken.first, turn);
      else this.write(broken.first);
      rest = broken.second;
      if (!this.isLong(rest)) {
        this.write(rest);
        return firstBroken;
      }
    }
  }

  /** Breaks in two at the first text that works. If none does, returns the result of the last one. */
  private split(part: Part, firstTurn: number): { first: Part; second?: Part; turn: number } {
    let tried = part;
    for (let turn = firstTurn; turn < firstTurn + breaks.length; turn += 1) {
      const { text, ends, begins } = breakAt(turn);
      const at = this.indexIn(part, turn % breaks.length);
      tried = part;
      if (at === undefined) continue;
      // The break is in the indent and the first character: the blank goes, so the indent is shorter.
      const first =
        at < part.from
          ? { indent: part.indent.slice(0, -1), from: part.from, to: part.from, end: '\n' }
          : { indent: part.indent, from: part.from, to: at + ends.length, end: '\n' };
      const second = {
        indent: begins === '(' ? '' : begins,
        from: begins === '(' ? at + 1 : at + text.length,
        to: part.to,
        end: part.end,
      };
      if (second.indent !== '' || second.from < second.to || second.end !== '')
        return { first, second, turn: turn + 1 };
      tried = first;
    }
    return { first: tried, turn: firstTurn + breaks.length };
  }

  /** The first offset of the text in the part; one less than the part's beginning if the text includes the indent's last blank. */
  private indexIn({ indent, from, to }: Part, index: number): number | undefined {
    const { text } = breaks[index] ?? breaks[0];
    if (indent !== '' && from < to && text === indent.slice(-1) + this.line[from]) return from - 1;
    const known = this.found[index];
    if (known === undefined) return undefined;
    // Parts are visited from left to right.
    if (known.at < from) known.at = indexOrEnd(this.line, text, from);
    return known.at + text.length <= to ? known.at : undefined;
  }

  private isLong({ indent, from, to, end }: Part): boolean {
    const units = indent.length + to - from + end.length;
    if (units <= lineLength || !this.hasPairs || units > 2 * lineLength) return units > lineLength;
    return isLong(indent + this.line.slice(from, to) + end);
  }

  private write({ indent, from, to, end }: Part): void {
    this.out.push(indent + this.line.slice(from, to) + end);
  }
}

function indexOrEnd(line: string, text: string, from: number): number {
  const at = line.indexOf(text, from);
  return at === -1 ? line.length : at;
}

/** The lines with their ends, as Python's `splitlines(True)` splits them, except for its rarest separators. */
function linesOf(text: string): ReadonlyArray<string> {
  return text.split(/(?<=\r\n|\r(?!\n)|[\n\v\f\x85\u2028\u2029])/);
}

/** The length in characters, not in UTF-16 units. */
function isLong(line: string): boolean {
  if (line.length <= lineLength || line.length > 2 * lineLength) return line.length > lineLength;
  return Array.from(line).length > lineLength;
}
