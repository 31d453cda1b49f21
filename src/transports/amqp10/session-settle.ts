/** Frames that settle deliveries. rhea would keep an object for each delivery and encode each frame field by field. */

/** The encoded outcomes of a disposition (AMQP 1.0, sections 3.4.2 and 3.4.4). */
export const accepted = 0x24;
export const released = 0x26;

/** The last number before they wrap around to 0 (AMQP 1.0, section 2.8.10). No range crosses it. */
const lastId = 0xffff_ffff;

/**
 * A disposition frame (AMQP 1.0, section 2.7.6) from the receiver, settled. The channel, the first and last number and the outcome are
 * filled in.
 */
const template = Buffer.from([
  ...[0, 0, 0, 34, 2, 0, 0, 0],
  ...[0, 0x53, 0x15, 0xc0, 21, 5],
  ...[0x41, 0x70, 0, 0, 0, 0, 0x70, 0, 0, 0, 0, 0x41],
  ...[0, 0x53, 0, 0x45],
]);
template.writeUInt32BE(template.length);
template[12] = template.length - 13;
const channelAt = 6;
const firstAt = 16;
const lastAt = 21;
const outcomeAt = 28;

/**
 * Encodes one frame for each range of consecutive deliveries.
 *
 * @param ids numbers of the deliveries, in order. Undefined: the broker has settled that delivery already.
 */
export function dispositions(
  channel: number,
  ids: ReadonlyArray<number | undefined>,
  outcome: number,
): Buffer {
  const frames: Buffer[] = [];
  let first: number | undefined;
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index];
    if (id === undefined) continue;
    first ??= id;
    if (id !== lastId && ids[index + 1] === id + 1) continue;
    const frame = Buffer.from(template);
    frame.writeUInt16BE(channel, channelAt);
    frame.writeUInt32BE(first, firstAt);
    frame.writeUInt32BE(id, lastAt);
    frame[outcomeAt] = outcome;
    frames.push(frame);
    first = undefined;
  }
  return Buffer.concat(frames);
}
