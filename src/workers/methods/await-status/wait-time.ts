/** Seconds that a call is held if it does not say, and at most: RabbitMQ closes a channel over a message that is unsettled for longer. */
export const wait = { usual: 60, most: 600 };
