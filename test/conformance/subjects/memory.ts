import type { Subject } from '../../../src/conformance/index.ts';
import type { OutgoingMessage } from '../../../src/core/transport/sender.ts';
import { MemoryTransport } from '../../../src/transports/memory/index.ts';

const noBroker = 'there is no broker, and nothing in between';

/** The broker that is in this process. */
export const memory: Subject = {
  name: 'memory',
  settlesOutOfOrder: true,
  boundedByBroker: false,
  lacks: {
    replicas: 'it has one consumer at a time',
    proxy: noBroker,
    restart: noBroker,
    tls: noBroker,
    processes: noBroker,
    impatient: noBroker,
    deletable: noBroker,
    limit: noBroker,
    hostile: 'it has no bytes of a protocol',
  },
  async open() {
    return open();
  },
  async openWithCallers() {
    const { memory, ...opened } = open();
    const send = async ({ sender, body, expiration, ...properties }: OutgoingMessage) => {
      const deadline = expiration === undefined ? {} : { deadline: performance.now() + expiration };
      memory.publish(body, { sender, ...properties, ...deadline });
    };
    const replyTo = 'replies';
    return {
      ...opened,
      send,
      replyTo,
      get replies() {
        return memory.published
          .filter(({ to }) => to.name === replyTo)
          .map(({ body, correlationId }) => ({ body, correlationId }));
      },
      goneReplyTo: 'gone',
    };
  },
};

function open() {
  const memory = new MemoryTransport('memory');
  return {
    memory,
    transport: () => memory,
    publish: async (sender: string, body: Buffer) => memory.publish(body, { sender, senderProof: 'subject' }),
  };
}
