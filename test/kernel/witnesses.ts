/** The witnesses the kernel is compared with. */
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { createReference } from '../../src/reference/index.ts';
import type { Witness } from './differential.ts';

export const REFERENCE: Witness = {
  name: 'reference',
  async replay(job, frames) {
    const outcomes: PacketOutcome[] = [];
    const reference = createReference(job, (outcome) => outcomes.push(outcome));
    reference.startCapture('frames');
    for (const frame of frames) reference.frame(frame);
    reference.endCapture();
    return { result: reference.result(), outcomes };
  },
};

export const WITNESSES: readonly Witness[] = [REFERENCE];
