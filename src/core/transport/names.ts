/** Over which a broker ends the connection that writes it, some brokers over some: controls, halves of characters, no characters. */
const unwritable = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** Far more than any name needs, and less than any protocol's line: 4096 bytes for nats-server. */
const longest = 1024;

/**
 * Whether a name can be written to a broker whoever has chosen it. A caller says where its answer goes; if the broker ended our
 * connection over it, the call would come again, for ever.
 *
 * @param maxBytes of the name in UTF-8.
 */
export function isWritableName(name: string, maxBytes: number = longest): boolean {
  return name !== '' && Buffer.byteLength(name) <= maxBytes && !unwritable.test(name);
}
