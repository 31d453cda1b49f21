import { isObject } from './json.ts';

/** Log lines for a reader at a terminal. A program reads the JSON lines instead. */

const colors: Readonly<Record<string, string>> = {
  trace: '90',
  debug: '90',
  info: '36',
  warn: '33',
  error: '31',
  fatal: '1;31',
};

/**
 * One line of the log in a form to read: the time, the level, the message, then the other fields. Senders may write any text, so control
 * characters stay escaped, and no text can move the cursor or change a color.
 *
 * @param line JSON, as `createLogger` writes it. A text of another form is returned as it is.
 */
export function readableLine(line: string, hasColors: boolean): string {
  const entry = parse(line);
  if (entry === undefined) return line;
  const { level, time, msg, code, ...fields } = entry;
  const paint = (text: string, color: string) => (hasColors ? `\u{1b}[${color}m${text}\u{1b}[0m` : text);
  const name = typeof level === 'string' && Object.hasOwn(colors, level) ? level : 'log';
  const color = colors[name] ?? '0';
  const rest = Object.entries(fields).map(([key, value]) => `${paint(`${key}=`, '90')}${shown(value)}`);
  return `${[
    paint(String(time).slice(11, 19), '90'),
    paint(name.padEnd(5), color),
    plain(String(msg ?? '')),
    ...(typeof code === 'string' ? [paint(`[${plain(code)}]`, color)] : []),
    ...rest,
  ].join(' ')}\n`;
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A text without spaces needs no quotes. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value)
    ? plain(value)
    : plain(JSON.stringify(value) ?? '');
}

/** Escapes control characters, and those that change the direction of the text (Unicode, categories Cc, Cf, Zl and Zp). */
function plain(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
