/** Cases that a transport of ours does not pass yet, by subject and title, with what it does instead. Each is a stated skip. */
const mqttBytes =
  'after the first bodies that reach the bound, nothing more is delivered to a session that was paused and is resumed';
const bytes = 'bodies that are larger than the bound in bytes together all arrive, once';

export const known: Readonly<Record<string, string>> = {
  [`mqtt 5: ${bytes}`]: mqttBytes,
  [`mqtt 3.1.1: ${bytes}`]: mqttBytes,
  'amqp091: a reply that is too large for the broker is undeliverable, and the session goes on':
    'it rejects with NotConnected (channel closed), so that the call would come again',
  'amqp10: a session that what it depends on is deleted under ends with an error that says so, and the next one works':
    'it ends with an error that does not name the queue',
};
