/**
 * The text of a fault as Trove keeps it (trove/common/utils.py, `format_output`): lines that are too long for a screen are broken
 * behind sentences, before parentheses and behind colons.
 */

/** Characters that a line may have. */
const lineLength = 79;

/** What is broken, in turn: the text that is looked for, what goes to the end of the line, and what begins the next one. */
const breaks = [
  { text: '. ', ends: '.', begins: '' },
  { text: ' (', ends: '', begins: '(' },
  { text: ': ', ends: ':', begins: '    ' },
] as const;
type Break = (typeof breaks)[number];

/**
 * @param text one text, or the lines of a traceback.
 * @param width characters: a longer text ends in `...`.
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
    // A line of a traceback may be several, which are lines of their own once one of them was broken.
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

/** A part of a line: what is put before it, and from where to where it goes. */
interface Part {
  readonly indent: string;
  readonly from: number;
  readonly to: number;
  /** What ends it, where it was broken off. */
  readonly end: string;
}

/**
 * One line, which is broken until its parts are short enough, or have nothing to be broken at. Trove breaks the first part off and
 * looks through the rest anew; here the rest stays where it is, and each text is looked for from where it was found last: the time
 * that it takes grows with the line, not with its square.
 */
class Line {
  private readonly line: string;
  private readonly out: string[];
  private readonly hasPairs: boolean;
  /** Where each break stands next; the line's length where it stands no more. */
  private readonly found: { at: number }[];

  constructor(line: string, out: string[]) {
    this.line = line;
    this.out = out;
    this.hasPairs = /[\ud800-\udbff]/.test(line);
    this.found = breaks.map(({ text }) => ({ at: indexOrEnd(line, text, 0) }));
  }

  /** @returns whose turn it is then, for the next line. */
  format(turn: number): number {
    const whole = { indent: '', from: 0, to: this.line.length, end: '' };
    if (this.isLong(whole)) return this.break(whole, turn);
    this.out.push(this.line);
    return turn;
  }

  /**
   * Breaks a part that is too long. The first piece of it is broken further at other texts only, so that this calls itself no deeper
   * than there are texts.
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

  /** Breaks in two at the first text that does so; where none does, the last one stands as it was tried. */
  private split(part: Part, firstTurn: number): { first: Part; second?: Part; turn: number } {
    let tried = part;
    for (let turn = firstTurn; turn < firstTurn + breaks.length; turn += 1) {
      const { text, ends, begins } = breakAt(turn);
      const at = this.indexIn(part, turn % breaks.length);
      tried = part;
      if (at === undefined) continue;
      // In the indent and the first character at once: the blank goes, the indent is shorter.
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

  /** Where the text stands first in the part; one less than its beginning where the indent's last blank belongs to it. */
  private indexIn({ indent, from, to }: Part, index: number): number | undefined {
    const { text } = breaks[index] ?? breaks[0];
    if (indent !== '' && from < to && text === indent.slice(-1) + this.line[from]) return from - 1;
    const known = this.found[index];
    if (known === undefined) return undefined;
    // Parts are come to from left to right.
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

/** The lines with what ends them, as Python's `splitlines(True)` has them, but for its rarest separators. */
function linesOf(text: string): ReadonlyArray<string> {
  return text.split(/(?<=\r\n|\r(?!\n)|[\n\v\f\x85\u2028\u2029])/);
}

/** In characters, not UTF-16 units. */
function isLong(line: string): boolean {
  if (line.length <= lineLength || line.length > 2 * lineLength) return line.length > lineLength;
  return Array.from(line).length > lineLength;
}
