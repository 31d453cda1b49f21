import type { Seen } from '../core/page-data.ts';

/** Which dead letters are asked for. */
export interface LetterQuery {
  readonly reason?: string | undefined;
  readonly transport?: string | undefined;
  readonly state?: 'dead' | 'waiting' | 'redriven' | undefined;
  readonly instance?: string | undefined;
  /** The id of the letter before the first one of the answer. */
  readonly before?: string | undefined;
}

/** The request names something that is not there, or that cannot be done as it is. */
export class PageRefusal extends Error {
  override readonly name = 'PageRefusal';
  readonly status: 400 | 404 | 409 | 503;

  constructor(status: PageRefusal['status'], message: string) {
    super(message);
    this.status = status;
  }
}

/** The answers are JSON. Each function rejects with PageRefusal if the request is at fault. */
export interface PageSource {
  /** The bound of an edited body, in bytes. */
  readonly maxBody: number;
  /** Looks at the database again, and counts the fleet if that is due. Never rejects. */
  look(): Promise<void>;
  readonly seen: Seen;
  explain(instance: string): Promise<object>;
  letters(query: LetterQuery): Promise<object>;
  letter(id: string): Promise<object>;
  edit(id: string, body: Buffer, by: string): Promise<object>;
  redrive(query: LetterQuery & { readonly ids?: ReadonlyArray<string> }, by: string): Promise<object>;
  close(): Promise<void>;
}
