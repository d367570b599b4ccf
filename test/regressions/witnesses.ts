/** The programs, for stories that no kernel can be asked: about lo, about captures that are cut, about words. */
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import type { Job, OnPacket } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';

export const WITNESSES = [
  ['reference', (job: Job, onPacket?: OnPacket) => referenceSession(job, { ...(onPacket && { onPacket }) })],
  ['tree', (job: Job, onPacket?: OnPacket) => engineSession(job, { hashKey: hashKeyOf(job), ...(onPacket && { onPacket }) })],
  [
    'linear',
    (job: Job, onPacket?: OnPacket) =>
      engineSession(job, { hashKey: hashKeyOf(job), tree: false, ...(onPacket && { onPacket }) }),
  ],
  [
    'debug',
    (job: Job, onPacket?: OnPacket) =>
      engineSession(job, { hashKey: hashKeyOf(job), build: 'debug', ...(onPacket && { onPacket }) }),
  ],
] as const;
