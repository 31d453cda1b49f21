import test from 'ava';
import { loadedFrom } from '../../src/workers/methods/load.ts';
import { workerSettings } from '../support/worker.ts';

/** What is missing from a deployer's own method is said when it is loaded, not when it is called. */

const functions = { parse: () => ({}), run: async () => 1 };
const batch = { parse: () => ({}), toWire: () => ({}), apply: async () => [] };
const whole = { ...functions, allowed: 'anyone', mutating: false };

for (const [what, method, problem] of [
  [
    'a call without `allowed`',
    { ...functions, mutating: false },
    /^file:m\.ts: mine\.allowed is missing: write 'service'/,
  ],
  [
    'a call with a misspelt `allowed`',
    { ...whole, allowed: 'services' },
    /^file:m\.ts: mine\.allowed is "services": write/,
  ],
  [
    'a call whose `allowed` is no text',
    { ...whole, allowed: true },
    /^file:m\.ts: mine\.allowed is a boolean: write/,
  ],
  [
    'a call without `mutating`',
    { ...functions, allowed: 'service' },
    /^file:m\.ts: mine\.mutating is missing: write true/,
  ],
  [
    'a call whose `mutating` is a text',
    { ...whole, mutating: 'false' },
    /^file:m\.ts: mine\.mutating is "false": write true/,
  ],
  [
    'a call whose `mutating` is null',
    { ...whole, mutating: null },
    /^file:m\.ts: mine\.mutating is null: write true/,
  ],
  [
    'a cast whose `needsContext` is a text',
    { ...batch, needsContext: 'yes' },
    /^file:m\.ts: mine\.needsContext is "yes"/,
  ],
  [
    'a cast without `toWire`',
    { parse: batch.parse, apply: batch.apply },
    /^file:m\.ts: mine is not a method: it needs/,
  ],
  ['a call without `parse`', { ...whole, parse: undefined }, /^file:m\.ts: mine is not a method: it needs/],
  ['a text', 'SELECT 1', /^file:m\.ts: mine is not a method: it needs/],
  ['a function', () => 1, /^file:m\.ts: mine is not a method: it needs/],
] as const) {
  test(`${what} is refused, and the error names the module, method and key`, (t) => {
    t.throws(() => loadedFrom({ mine: method }, 'file:m.ts'), { message: problem });
  });
}

for (const [what, method] of [
  ['a call for anyone', whole],
  ['a call for services that changes something', { ...functions, allowed: 'service', mutating: true }],
  ['a cast', batch],
  ['a cast with the context', { ...batch, needsContext: true }],
] as const) {
  test(`${what} is accepted`, (t) => {
    t.true(Object.hasOwn(loadedFrom({ mine: method }, 'file:m.ts'), 'mine'));
  });
}

test('a method that is an instance of a class keeps its state', async (t) => {
  class Mine {
    #calls = 0;
    readonly allowed = 'anyone';
    readonly mutating = false;
    parse() {
      this.#calls += 1;
      return {};
    }
    async run() {
      return this.#calls;
    }
  }
  const { mine } = loadedFrom({ mine: new Mine() }, 'file:m.ts');
  if (mine === undefined || !('run' in mine)) throw new Error('it is not there');
  mine.parse({});
  const db = { query: async () => [] };
  const call = {
    principal: { kind: 'unproven' },
    codec: 'native',
    settings: workerSettings('postgresql://x/x'),
  } as const;
  t.is(await mine.run(db, {}, call), 1);
});
