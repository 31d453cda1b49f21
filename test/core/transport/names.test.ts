import test from 'ava';
import fc from 'fast-check';
import { covers, mqttWildcards, nameFor, natsWildcards } from '../../../src/core/transport/names.ts';

const nats = (pattern: string, name: string) => covers(pattern, name, natsWildcards);
const mqtt = (pattern: string, name: string) => covers(pattern, name, mqttWildcards);

test('a NATS pattern covers the same names as on the server, and narrower patterns', (t) => {
  for (const [pattern, name] of [
    ['a.b', 'a.b'],
    ['a.*', 'a.b'],
    ['a.>', 'a.b.c'],
    ['>', 'a'],
    ['a.>', 'a.*'],
    ['a.>', 'a.b.>'],
    ['a.*', 'a.*'],
  ] as const)
    t.true(nats(pattern, name), `${pattern} covers ${name}`);
  for (const [pattern, name] of [
    ['a.b', 'a.c'],
    ['a.*', 'a.b.c'],
    ['a.>', 'a'],
    ['a.*', 'a.>'],
    ['a.b', 'a.*'],
  ] as const)
    t.false(nats(pattern, name), `${pattern} does not cover ${name}`);
});

test('an MQTT filter matches topics by MQTT 5, section 4.7.1', (t) => {
  for (const [pattern, name] of [
    ['sport/+', 'sport/x'],
    ['sport/+', 'sport/'],
    ['sport/#', 'sport'],
    ['#', 'a/b'],
    ['+/+', '/finance'],
  ] as const)
    t.true(mqtt(pattern, name), `${pattern} matches ${name}`);
  for (const [pattern, name] of [
    ['sport/+', 'sport'],
    ['sport/+', 'sport/a/b'],
    ['+', '/finance'],
  ] as const)
    t.false(mqtt(pattern, name), `${pattern} does not match ${name}`);
});

test('a pattern covers itself, and every name that a sender publishes to under it', (t) => {
  const level = fc.stringMatching(/^[a-z0-9-]{1,8}$/);
  const property = fc.property(fc.array(level, { minLength: 1, maxLength: 4 }), level, (levels, sender) => {
    const [dotted, slashed] = [`${levels.join('.')}.*`, `${levels.join('/')}/+`];
    return (
      nats(dotted, dotted) &&
      nats(dotted, nameFor(sender, dotted, natsWildcards)) &&
      mqtt(slashed, nameFor(sender, slashed, mqttWildcards))
    );
  });
  t.notThrows(() => fc.assert(property));
});
