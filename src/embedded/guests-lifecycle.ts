/**
 * The life of a simulated guest, one step a heartbeat:
 *
 * ```
 *  new ──► building ──► running ◄──► healthy          from running and from healthy ──► crashed ──► building
 *   ▲         │                                                                    └──► silent ───► running
 *   └─ failed to spawn
 * ```
 *
 * A crashed guest is built again. A silent guest sends nothing until it runs again. A guest that failed to spawn starts again as new.
 */

/** The phase of a guest. All phases but `silent` are statuses of its heartbeats. */
export type Phase = 'new' | 'building' | 'running' | 'healthy' | 'failed to spawn' | 'crashed' | 'silent';

/** In the order of a guest's life, failures last. */
export const phases: readonly Phase[] = [
  'new',
  'building',
  'running',
  'healthy',
  'failed to spawn',
  'crashed',
  'silent',
];

/** The next states with their probability a step. With the remaining probability the guest keeps its state. */
const ways: Readonly<Record<Phase, ReadonlyArray<readonly [next: Phase, probability: number]>>> = {
  new: [['building', 0.5]],
  building: [
    ['running', 0.4],
    ['failed to spawn', 0.04],
  ],
  running: [
    ['healthy', 0.15],
    ['crashed', 0.012],
    ['silent', 0.008],
  ],
  healthy: [
    ['running', 0.2],
    ['crashed', 0.006],
    ['silent', 0.004],
  ],
  'failed to spawn': [['new', 0.12]],
  crashed: [['building', 0.12]],
  silent: [['running', 0.07]],
};

/**
 * The phase after one step.
 *
 * @param random evenly distributed from 0 to 1, without 1.
 */
export function nextPhase(phase: Phase, random: number): Phase {
  let limit = 0;
  for (const [next, probability] of ways[phase]) {
    limit += probability;
    if (random < limit) return next;
  }
  return phase;
}

/** A heartbeat in the native form. `sent` is in seconds since the epoch. */
export function heartbeatOf(instanceId: string, phase: Exclude<Phase, 'silent'>, sent: number): string {
  const args = { instance_id: instanceId, payload: { service_status: phase }, sent };
  return JSON.stringify({ method: 'heartbeat', args });
}

/** The network's effect on a heartbeat. Mostly there is none. Sometimes the network repeats an old one, at once or late. */
export type Mishap = 'none' | 'repeated' | 'late';

/** @param random evenly distributed from 0 to 1, without 1. */
export function mishap(random: number): Mishap {
  if (random < 0.02) return 'repeated';
  return random < 0.03 ? 'late' : 'none';
}
