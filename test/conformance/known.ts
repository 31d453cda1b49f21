/** Cases that a transport of ours does not pass yet, by subject and title, with what it does instead. Each is a stated skip. */
export const known: Readonly<Record<string, string>> = {
  'amqp10: a session ends if an object that it depends on is deleted; the error names the object, and the next session works':
    'RabbitMQ 3.10 resets the connection, so that the error does not name the queue',
};
