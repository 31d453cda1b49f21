import { createHash } from 'node:crypto';
import type { Db } from '../postgres/transaction.ts';
import type { CallMethod, CastMethod } from './contract.ts';

/** Characters that Postgres keeps of a prepared statement's name. */
const maxName = 63;

/**
 * Wraps a deployer's method to keep it apart from other methods: its statements have names of their own, and it can query only while it
 * runs.
 */
export function setApart(name: string, method: CastMethod | CallMethod): CastMethod | CallMethod {
  if ('apply' in method) {
    const { description, needsContext, latestOnly } = method;
    return {
      // For an object of a class this copies the object's own properties, not those of its class.
      ...method,
      ...(description !== undefined && { description }),
      ...(needsContext !== undefined && { needsContext }),
      ...(latestOnly !== undefined && { latestOnly }),
      parse: (args, envelope) => method.parse(args, envelope),
      toWire: (args) => method.toWire(args),
      apply: (db, batch, options) => lend(name, db, (own) => method.apply(own, batch, options)),
    };
  }
  const { description } = method;
  const called: CallMethod = {
    ...method,
    ...(description !== undefined && { description }),
    allowed: method.allowed,
    mutating: method.mutating,
    parse: (args) => method.parse(args),
    run: (db, args, call) => lend(name, db, (own) => method.run(own, args, call)),
  };
  return called;
}

async function lend<Result>(method: string, db: Db, use: (db: Db) => Promise<Result>): Promise<Result> {
  let isOver = false;
  const own: Db = {
    async query(name, text, values) {
      if (isOver) throw new Error('the method has ended, and its transaction with it: await each query');
      return db.query(name === '' ? '' : ownName(method, name), text, values);
    },
  };
  try {
    return await use(own);
  } finally {
    isOver = true;
  }
}

function ownName(method: string, name: string): string {
  const whole = `${method} ${name}`;
  if (whole.length <= maxName) return whole;
  return createHash('sha256').update(whole).digest('hex').slice(0, maxName);
}
