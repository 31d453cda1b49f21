/** A cast or call was not taken: as many as may wait already do. Nothing was sent; try again when some are through. */
export class BufferFull extends Error {
  override readonly name = 'BufferFull';
}

/**
 * Nobody has answered in time. The call may have been carried out all the same; calling again with the same `messageId` gets
 * the first answer rather than a second effect.
 */
export class CallTimeout extends Error {
  override readonly name = 'CallTimeout';
  readonly messageId: string;

  constructor(message: string, messageId: string) {
    super(message);
    this.messageId = messageId;
  }
}

/** The answer to a call is that it failed. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  /** The code or class of the error, as the answer names it. */
  readonly class: string;
  /** The argument that is at fault, where one is. */
  readonly argument: string | undefined;

  constructor(errorClass: string, message: string, argument?: string) {
    super(message);
    this.class = errorClass;
    this.argument = argument;
  }
}
