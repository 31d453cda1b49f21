/**
 * The text of a fault as Trove keeps it (trove/common/utils.py, `format_output`): lines that are too long for a screen are broken
 * behind sentences, before parentheses and behind colons.
 */

/** Characters that a line may have. */
const lineLength = 79;

/** What is broken, in turn, once each time. */
const breaks = [
  ['. ', '.\n'],
  [' (', '\n('],
  [': ', ':\n    '],
] as const;

/** How often a piece is broken again, and the longest line that is broken at all: a hostile one would take for ever. */
const maxDepth = 100;
const maxLine = 10_000;

/**
 * @param text one text, or the lines of a traceback.
 * @param width characters: a longer text ends in `...`.
 */
export function formatOutput(text: string | ReadonlyArray<string>, width = Number.POSITIVE_INFINITY): string {
  const formatted = format(typeof text === 'string' ? linesOf(text) : text, 0, 0);
  if (formatted.length <= width) return formatted;
  // Postgres counts characters, JavaScript UTF-16 units.
  const characters = Array.from(formatted.slice(0, 2 * width + 2));
  return characters.length <= width ? formatted : `${characters.slice(0, width - 3).join('')}...`;
}

function format(lines: ReadonlyArray<string>, firstBreak: number, depth: number): string {
  let turn = firstBreak;
  return lines
    .map((line) => {
      if (lengthOf(line) <= lineLength || line.length > maxLine || depth > maxDepth) return line;
      let pieces: ReadonlyArray<string> = [line];
      for (let tried = 0; tried < breaks.length && pieces.length < 2; tried += 1) {
        const [from, to] = breaks[turn % breaks.length] ?? breaks[0];
        // A function, since a text would have its dollar signs read.
        pieces = linesOf(line.replace(from, () => to));
        turn = (turn + 1) % breaks.length;
      }
      if (pieces.length < 2) return pieces.join('');
      return pieces
        .map((piece) => (lengthOf(piece) > lineLength ? format(linesOf(piece), turn, depth + 1) : piece))
        .join('');
    })
    .join('');
}

/** The lines with what ends them, as Python's `splitlines(True)` has them, but for its rarest separators. */
function linesOf(text: string): ReadonlyArray<string> {
  return text.split(/(?<=\r\n|\r(?!\n)|[\n\v\f\x85\u2028\u2029])/);
}

/** Characters, not UTF-16 units. */
function lengthOf(text: string): number {
  return text.length <= lineLength ? text.length : Array.from(text).length;
}
