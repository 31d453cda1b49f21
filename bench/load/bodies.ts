import { instanceId } from '../messages.ts';
import { type Body, type BodyForm, bodyForms } from './body-forms.ts';

/** The parts of a load, by their share of the messages. They add up to 1. */
export interface Mix {
  readonly heartbeat: number;
  readonly backup: number;
  readonly call: number;
}

export interface BodiesOptions {
  readonly form: BodyForm;
  /** Instances that the messages are about, in turn. */
  readonly instances: number;
  /** The first of them, so that several generators are not about the same one at once. */
  readonly first: number;
  /** Bytes that a body has at least. */
  readonly body: number;
}

/** A message, and its instance. */
export interface Cast {
  readonly body: Buffer;
  readonly sender: string;
}

/** Characters of an instance's id. */
const idLength = 36;

/** One heartbeat in so many has another status, so that about 2 % of the heartbeats change a status. */
const otherStatusEvery = 97;

/** Makes the bodies of a fleet's messages: a copy of a template, with the id and the time written into it. */
export class Bodies {
  private readonly ids: Buffer;
  private readonly instances: number;
  private readonly running: Body;
  private readonly healthy: Body;
  private readonly backup: Body;
  private made: number;

  constructor({ form, instances, first, body }: BodiesOptions) {
    this.made = first;
    this.instances = instances;
    this.ids = Buffer.alloc(instances * idLength);
    for (let index = 0; index < instances; index += 1)
      this.ids.write(instanceId(index + 1), index * idLength, 'latin1');
    const make = bodyForms[form];
    this.running = make({ method: 'heartbeat', payload: { service_status: 'running' } }, body);
    this.healthy = make({ method: 'heartbeat', payload: { service_status: 'healthy' } }, body);
    this.backup = make({ method: 'update_backup', state: 'BUILDING', size: 1.5 }, body);
  }

  /**
   * The next instance's message. `sender` is its instance. A backup has the id of its instance.
   *
   * @param at milliseconds since the epoch: its `sent`.
   */
  next(kind: 'heartbeat' | 'backup', at: number): Cast {
    const place = (this.made % this.instances) * idLength;
    const isOther = this.made % otherStatusEvery === 0;
    this.made += 1;
    const { bytes, ids, sent } = kind === 'backup' ? this.backup : isOther ? this.healthy : this.running;
    const body = Buffer.from(bytes);
    for (const offset of ids) this.ids.copy(body, offset, place, place + idLength);
    body.write((at / 1000).toFixed(6), sent, 'latin1');
    return { body, sender: this.ids.toString('latin1', place, place + idLength) };
  }
}
