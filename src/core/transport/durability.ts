/** What a confirmed message survives, as far as a broker or a database tells. */

/**
 * The failures that a confirmed message survives, each with those before it. `process`: the broker or Postgres is killed. `system`: its
 * operating system stops. `power`: its machine loses power. `failover`: its machine is lost, and another one takes its place.
 */
export const survivals = ['nothing', 'process', 'system', 'power', 'failover'] as const;
export type Survival = (typeof survivals)[number];

/** A fact because of which a confirmed message survives no more than `survives`. */
export interface Shortfall {
  readonly survives: Exclude<Survival, 'failover'>;
  /** A clause that names the object. */
  readonly because: string;
  /** The remedy, as an imperative. */
  readonly raise: string;
  /** Whether the other side does not tell, and the worst is assumed. The operator's word counts then. */
  readonly isUnknown?: boolean;
}

/** What each level means, behind "survives". */
const meanings: Readonly<Record<Survival, string>> = {
  nothing: 'nothing',
  process: 'the end of its server, not a crash of the operating system',
  system: 'a crash of the operating system, not a loss of power',
  power: 'a loss of power, not the loss of the machine',
  failover: 'the loss of a machine',
};

/** A level in words, with its name for the key `require`. */
export function meaningOf(survival: Survival): string {
  return survival === 'nothing' ? 'nothing' : `${meanings[survival]} (${survival})`;
}

/** The level that remains with these shortfalls. */
export function survivalOf(shortfalls: ReadonlyArray<Shortfall>): Survival {
  return leastOf(shortfalls.map(({ survives }) => survives));
}

/** The least of several; `failover` of none. */
export function leastOf(all: ReadonlyArray<Survival>): Survival {
  return survivals.find((one) => all.includes(one)) ?? 'failover';
}

/** Whether `one` is less than `other`. */
export function isLess(one: Survival, other: Survival): boolean {
  return survivals.indexOf(one) < survivals.indexOf(other);
}

/**
 * The shortfalls that remain after the operator's word. The word counts for unknown facts only; known shortfalls stay.
 *
 * @param word what a confirmed message survives, as the operator says; `unknown` if the operator says nothing.
 */
export function withWord(
  shortfalls: ReadonlyArray<Shortfall>,
  word: Survival | 'unknown',
): ReadonlyArray<Shortfall> {
  if (word === 'unknown') return shortfalls;
  return shortfalls.flatMap((shortfall): Shortfall[] => {
    if (shortfall.isUnknown !== true || !isLess(shortfall.survives, word)) return [shortfall];
    return word === 'failover' ? [] : [{ ...shortfall, survives: word }];
  });
}

/** A transport that does not tell anything about its broker. */
export const untold: ReadonlyArray<Shortfall> = [
  {
    survives: 'nothing',
    because: 'the transport does not tell what its broker keeps',
    raise: 'find out, and say so with durability',
    isUnknown: true,
  },
];
