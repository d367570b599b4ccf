/** A host that says who it is, but not its devices' numbers: whether the capture has them is looked up in its first packets. */
import { numberlessNotes } from '../model/device-numbers.ts';
import type { Host } from '../model/host.ts';
import type { Frame } from '../model/witness.ts';
import { readLink } from '../packet/link.ts';
import { countDevice, GUESS_FRAMES } from './census.ts';

/** It has several devices (lo beside) and no number of one, and would take them from the capture. */
export const isNumberless = ({ interfaces, forward, recordedWays }: Host): boolean =>
  (!forward || recordedWays === true) &&
  interfaces.filter(({ name }) => name !== 'lo').length > 1 &&
  interfaces.every(({ index }) => index === undefined);

/** Looks at packets one by one, and keeps none. */
export class NumberedPackets {
  /** How many frames it wants to see at most. */
  readonly wanted = GUESS_FRAMES;
  readonly #devices: Set<number>;

  /** `devices`: those that somebody else counts, too. */
  constructor(devices = new Set<number>()) {
    this.#devices = devices;
  }

  /** More packets would say no more. */
  get isSure(): boolean {
    return this.#devices.size > 1;
  }

  /** The next frame of the capture. */
  see(frame: Frame): void {
    const link = readLink(frame);
    if (link.kind === 'ip') countDevice(this.#devices, link);
  }

  /** Notes for the report. `isTold` as for numberlessNotes. */
  notes(isTold: boolean): string[] {
    return numberlessNotes(this.#devices.size, isTold);
  }
}
