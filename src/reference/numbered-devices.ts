/** Captures of "any" (SLL2) say at which device a packet was by its number: the host model has the names. */
import { numberNotes } from '../model/device-numbers.ts';
import type { Host } from '../model/host.ts';
import type { Frame } from '../model/witness.ts';
import type { Link } from '../packet/link.ts';

export class NumberedDevices {
  readonly #names: ReadonlyMap<number, string>;
  readonly #ports: ReadonlySet<number>;
  readonly #unnamed = { packets: 0, first: 0, device: 0 };

  constructor(host: Host) {
    this.#ports = new Set(
      host.interfaces.flatMap(({ index, isPort }) => (index !== undefined && isPort === true ? [index] : [])),
    );
    this.#names = new Map(host.interfaces.flatMap(({ name, index }) => (index === undefined ? [] : [[index, name] as const])));
  }

  /** The frame was captured at a port of a bridge or bond. */
  isAtPort({ device }: Link): boolean {
    return device !== undefined && this.#ports.has(device);
  }

  /** Frame `packet`, with the name of the device that its header says. Where no number is known the frame stays as it is. */
  named(frame: Frame, { device }: Link, packet: number): Frame {
    if (device === undefined || this.#names.size === 0) return frame;
    const interfaceName = this.#names.get(device);
    if (interfaceName !== undefined) return { ...frame, interfaceName };
    if (this.#unnamed.packets++ === 0) Object.assign(this.#unnamed, { first: packet, device });
    return frame;
  }

  notes(): string[] {
    return numberNotes(this.#unnamed);
  }
}
