/** The elements of a set while its text is read. */
import { isOf } from '../extensions/ipset-set.ts';
import { type ElementPart, elementKey, type SetElement } from '../model/ipset.ts';

const DEVICES_TYPE = 'hash:net,iface';

/** By their keys, in the order they came. */
export class KeptElements {
  readonly #type: string;
  readonly #elements = new Map<string, SetElement>();
  /** hash:net,iface only: by the key of a network its elements, by their keys in that order. */
  readonly #networks = new Map<string, Map<string, ElementPart>>();

  constructor(type: string) {
    this.#type = type;
  }

  get size(): number {
    return this.#elements.size;
  }

  /** The key of the element that these parts are, or in hash:net,iface of the first of their network that means their device, too: a wildcard. */
  keyOf(parts: readonly ElementPart[]): string | undefined {
    const key = elementKey(parts, this.#type);
    if (this.#elements.has(key)) return key;
    for (const [other, device] of this.#networks.get(this.#network(parts)) ?? []) if (isOf(device, parts[1]!)) return other;
    return undefined;
  }

  get(key: string): SetElement | undefined {
    return this.#elements.get(key);
  }

  set(key: string, element: SetElement): void {
    this.#elements.set(key, element);
    if (this.#type !== DEVICES_TYPE) return;
    const network = this.#network(element.parts);
    const devices = this.#networks.get(network) ?? new Map<string, ElementPart>();
    this.#networks.set(network, devices.set(key, element.parts[1]!));
  }

  delete(key: string): void {
    const element = this.#elements.get(key);
    this.#elements.delete(key);
    if (element === undefined || this.#type !== DEVICES_TYPE) return;
    const network = this.#network(element.parts);
    const devices = this.#networks.get(network);
    devices?.delete(key);
    if (devices?.size === 0) this.#networks.delete(network);
  }

  clear(): void {
    this.#elements.clear();
    this.#networks.clear();
  }

  values(): Iterable<SetElement> {
    return this.#elements.values();
  }

  #network(parts: readonly ElementPart[]): string {
    return elementKey(parts.slice(0, 1), this.#type);
  }
}
