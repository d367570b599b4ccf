/** What `ip -j addr`, `ip -j maddr` and `ip -j route` print, entry by entry: fields are read with their kinds, and what is wrong with one is told with its place. */
import { HostError } from './errors.ts';
import { type JsonPath, placeOf } from './json-place.ts';

export type IpFlag = '--addr' | '--maddr' | '--route';

type Fields = Readonly<Record<string, unknown>>;

export const shown = (value: unknown): string => JSON.stringify(value).slice(0, 60);

/** One object of such a list. */
export class IpEntry {
  readonly fields: Fields;
  readonly #flag: IpFlag;
  readonly #root: unknown;
  readonly #path: JsonPath;

  constructor(flag: IpFlag, root: unknown, path: JsonPath, fields: Fields) {
    this.#flag = flag;
    this.#root = root;
    this.#path = path;
    this.fields = fields;
  }

  /** The text of that name, undefined when there is none. */
  text(name: string): string | undefined {
    const value = this.fields[name];
    if (value === undefined || typeof value === 'string') return value;
    throw this.error(`"${name}" wants a text, got ${shown(value)}`, { at: name });
  }

  /** The whole number from 0 to `most` of that name, undefined when there is none. */
  number(name: string, most: number): number | undefined {
    const value = this.fields[name];
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
    throw this.error(`"${name}" wants a whole number from 0 to ${most}, got ${shown(value)}`, { at: name });
  }

  /** The list of that name, undefined when there is none. `about`: what messages say before it. */
  list(name: string, about = ''): readonly unknown[] | undefined {
    const value = this.fields[name];
    if (value === undefined || Array.isArray(value)) return value;
    throw this.error(`${about}"${name}" wants a list, got ${shown(value)}`, { at: name });
  }

  /** The objects of the list of that name, none when there is none. */
  entries(name: string, about = ''): IpEntry[] {
    const list = this.list(name, about) ?? [];
    return list.map((value, index) => asEntry(this.#flag, this.#root, [...this.#path, name, index], value, `${about}${name}`));
  }

  /** The same with the fields of another one before its own. */
  with(other: IpEntry): IpEntry {
    return new IpEntry(this.#flag, this.#root, this.#path, { ...this.fields, ...other.fields });
  }

  /** What is wrong, at the field `at` or at the entry; the flag stands before it. */
  error(message: string, { at, hint }: { at?: string; hint?: string } = {}): HostError {
    const place = placeOf(this.#root, at === undefined ? this.#path : [...this.#path, at]);
    return new HostError(`${this.#flag}: ${message}`, { ...place, ...(hint !== undefined && { hint }) });
  }
}

/** What a file must be. */
export const wantedList = (flag: IpFlag): string => `${flag} wants the JSON list that "ip -j ${flag.slice(2)}" prints`;

/** The entries of a file. What `ip` leaves out of a list it prints as `{}`. @throws HostError. */
export function ipEntries(json: unknown, flag: IpFlag): IpEntry[] {
  if (!Array.isArray(json)) throw new HostError(wantedList(flag), { ...placeOf(json, []) });
  return json.map((value: unknown, index) => asEntry(flag, json, [index], value, `entry ${index + 1}`));
}

function asEntry(flag: IpFlag, root: unknown, path: JsonPath, value: unknown, what: string): IpEntry {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new IpEntry(flag, root, path, value as Fields);
  throw new HostError(`${flag}: ${what} wants an object, got ${shown(value)}`, { ...placeOf(root, path) });
}
