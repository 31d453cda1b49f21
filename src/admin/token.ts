import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError, messageOf } from '../core/errors.ts';

/** Fewer characters could be guessed. */
const shortest = 16;
/** Milliseconds for which the content of the file counts. */
const rereadAfter = 1000;
/** Seconds for which a browser is signed in. */
export const sessionLength = 12 * 3600;

/**
 * The token of the operators, in a file. The file is read again, so that the token can be changed without a restart. A session is a proof
 * that somebody had the token: the time of its end with an HMAC under the token. So nothing is kept, each replica with the same token
 * takes it, and a new token ends all sessions.
 */
export class AdminToken {
  private readonly file: string;
  private token: string | undefined;
  private readAt = Number.NEGATIVE_INFINITY;

  private constructor(file: string) {
    this.file = file;
  }

  /** @param file empty: there is no token. Rejects with ConfigError if it cannot be used. */
  static async open(file: string): Promise<AdminToken> {
    const token = new AdminToken(file);
    if (file !== '') await token.read();
    return token;
  }

  /** Whether a token is configured. */
  get isConfigured(): boolean {
    return this.file !== '';
  }

  /** Rejects with ConfigError if the file cannot be used any more. */
  async matches(given: string): Promise<boolean> {
    const token = await this.current();
    return token !== undefined && isEqual(given, token);
  }

  /** A new session; undefined if there is no token. `now`: milliseconds since the epoch. */
  async session(now = Date.now()): Promise<string | undefined> {
    const token = await this.current();
    if (token === undefined) return undefined;
    const end = String(Math.floor(now / 1000) + sessionLength);
    return `${end}.${proofOf(token, end)}`;
  }

  /** Whether `session` has made it, under the present token, and it has not ended. */
  async isSession(given: string, now = Date.now()): Promise<boolean> {
    const token = await this.current();
    const [, end, proof] = /^(\d{1,12})\.([\w-]{43})$/.exec(given) ?? [];
    if (token === undefined || end === undefined || proof === undefined) return false;
    return isEqual(proof, proofOf(token, end)) && Number(end) * 1000 > now;
  }

  private async current(): Promise<string | undefined> {
    if (this.isConfigured && performance.now() - this.readAt > rereadAfter) await this.read();
    return this.token;
  }

  private async read(): Promise<void> {
    this.token = undefined;
    let text: string;
    try {
      text = (await readFile(this.file, 'utf8')).trim();
    } catch (error) {
      throw new ConfigError(`admin.tokenFile: cannot read the file: ${messageOf(error)}`, {
        code: 'admin-token',
        cause: error,
      });
    }
    if (text.length < shortest)
      throw new ConfigError(
        `admin.tokenFile: the token in ${this.file} has fewer than ${shortest} characters; openssl rand -hex 24 makes one`,
        { code: 'admin-token' },
      );
    this.token = text;
    this.readAt = performance.now();
  }
}

function proofOf(token: string, end: string): string {
  return createHmac('sha256', token).update(`conductor session ${end}`).digest('base64url');
}

/** Takes the same time wherever the texts differ, and whatever their lengths. */
function isEqual(one: string, other: string): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
