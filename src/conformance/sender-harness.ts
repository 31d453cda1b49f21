import type { Reply } from '../core/message/request.ts';
import type { OutgoingMessage, SenderSession } from '../core/transport/sender.ts';
import { type ConformanceCase, type Consumer, caseOf, consume } from './harness.ts';
import type { OpenedSender, SenderOffer, SenderSubject } from './sender-subject.ts';
import type { Test } from './subject.ts';

/** A case for subjects that offer it, like `offered` on the receiving side. */
export function senderOffered<Opening>(
  subject: SenderSubject,
  offer: SenderOffer,
  open: ((t: Test) => Promise<Opening>) | undefined,
  title: string,
  run: (opened: Opening) => Promise<void>,
): ConformanceCase {
  if (open === undefined || subject.lacks?.[offer] !== undefined)
    return { title, skip: subject.lacks?.[offer] ?? `the subject does not offer ${offer}` };
  return caseOf(title, async (t) => run(await open.call(subject, t)));
}

export function connectSender(
  opened: OpenedSender,
  receive: (reply: Reply) => void = () => {},
): Promise<SenderSession> {
  return opened.sender().connect(receive);
}

/** The receiving side, with room for all messages of the cases. */
export function listen(opened: OpenedSender): Promise<Consumer> {
  return consume(opened, { bound: 2000 });
}

/** A cast of a guest, recognized by its text. */
export function messageOf(text: string): OutgoingMessage {
  return { sender: 'guest', body: Buffer.from(text), messageId: text };
}
