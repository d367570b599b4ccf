/** Where in a JSON file a value stands: looked for only when something is wrong with it. */
import type { Position } from './errors.ts';

/** Array indices and keys from the outermost value on. */
export type JsonPath = readonly (string | number)[];

/** A place in a file, and the line it is in. */
export interface JsonPlace {
  position: Position;
  source: string;
}

/** A JSON file as it was read. */
export interface JsonText {
  file: string;
  text: string;
}

/** Texts by what was read from them, as long as that is in use. */
const TEXTS = new WeakMap<object, JsonText>();

/** The text of a JSON file that cannot be read as such, and where. */
export class JsonError extends Error {
  readonly place: JsonPlace;

  constructor(message: string, place: JsonPlace) {
    super(message);
    this.name = 'JsonError';
    this.place = place;
  }
}

/**
 * JSON.parse, which remembers for `placeOf` what it was read from.
 * @throws JsonError.
 */
export function readJson(text: string, file: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable({ file, text }, error instanceof Error ? error.message : String(error));
  }
  if (typeof value === 'object' && value !== null) TEXTS.set(value, { file, text });
  return value;
}

/** V8 says where in characters; of a text that is over too soon it says no place: its end. One that begins as no list and no object is wrong from there on. */
function unreadable(from: JsonText, message: string): JsonError {
  if (/^\s*[^\s[{]/.test(from.text)) return new JsonError('it begins with neither "[" nor "{"', beginningOf(from));
  const [, at] = /at position (\d+)/.exec(message) ?? [];
  const offset = at === undefined ? from.text.trimEnd().length : Number(at);
  // What it says of the place is said by the place, and its excerpt by the line.
  const words = message.replace(/(?:, "|, \.\.\.).*$/s, '').replace(/ (?:in JSON )?at position .*$/s, '');
  return new JsonError(words, placeAt(from, offset));
}

/** Where the value at `path` of what readJson gave stands, or the innermost on the way to it that is there; undefined for what it did not give. */
export function placeOf(root: unknown, path: JsonPath): JsonPlace | undefined {
  const from = typeof root === 'object' && root !== null ? TEXTS.get(root) : undefined;
  return from === undefined ? undefined : placeAt(from, offsetOf(from.text, path));
}

/** Where a text begins, behind blanks. */
export const beginningOf = (from: JsonText): JsonPlace => placeAt(from, Math.max(0, from.text.search(/\S/)));

function placeAt({ file, text }: JsonText, offset: number): JsonPlace {
  // lastIndexOf takes -1 for 0.
  const before = offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(0, before).split('\n').length;
  const source = text.slice(before, end === -1 ? undefined : end).replace(/\r$/, '');
  return { position: { file, line, column: offset - before + 1 }, source };
}

/** A string, a bracket, a comma, a colon, or anything else up to one of them. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Of a text that is JSON: where the value at `path` begins. Of keys that stand twice the last one counts, as for JSON.parse. */
function offsetOf(text: string, path: JsonPath): number {
  const open: { key: string | number; matches: boolean }[] = [];
  let found = 0;
  let wanted = 0;
  let isKey = false;
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    const top = open.at(-1);
    if (token === ',' && top !== undefined) {
      if (typeof top.key === 'number') top.key++;
      else isKey = true;
    } else if (token === ':') {
      isKey = false;
    } else if (token === '}' || token === ']') {
      open.pop();
      isKey = false;
    } else if (isKey && top !== undefined) {
      top.key = JSON.parse(token) as string;
    } else {
      // A value: on the way to what is asked, if all around it are, and its own index or key is the next of the path.
      const matches = top === undefined || (top.matches && top.key === path[open.length - 1]);
      if (matches && open.length >= wanted) {
        found = index;
        wanted = open.length;
      }
      if (token === '[' || token === '{') {
        open.push({ key: token === '[' ? 0 : '', matches: matches && open.length < path.length });
        isKey = token === '{';
      }
    }
  }
  return found;
}
