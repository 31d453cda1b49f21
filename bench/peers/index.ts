import { conductor } from './conductor.ts';
import { nestjs } from './nestjs/index.ts';
import { nodeRed } from './node-red/index.ts';
import type { Peer } from './peer.ts';
import { bento, telegraf } from './programs.ts';
import { straightforward } from './straightforward/index.ts';
import { trove } from './trove/index.ts';

/** In the order of the table. */
export const peers: ReadonlyArray<Peer> = [
  conductor,
  trove,
  straightforward,
  nestjs,
  nodeRed,
  bento,
  telegraf,
];
