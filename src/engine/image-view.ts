/** Reads an image's header and the sections that stay with the host program. */
import * as abi from '../abi/image.ts';
import { checksum, type ImageNames } from '../compile/image.ts';
import type { KeptState } from '../compile/tests.ts';
import type { LogRequest } from '../model/log.ts';
import { checkBlocks } from './check-blocks.ts';
import { checkCode } from './check-code.ts';
import { checkSets } from './check-sets.ts';
import { ImageError } from './image-error.ts';

export interface ImageView {
  header: Uint32Array;
  code: Uint8Array;
  /** [rope, evaluations] each. */
  segments: Uint32Array;
  /** [left, right] each. */
  ropes: Uint32Array;
  /** [chain, number, word | counts << 8] each. */
  events: Uint32Array;
  names: ImageNames;
  host: Uint8Array;
  conntrack: Uint8Array;
  interfaces: Uint8Array;
  sets: Uint8Array;
}

/** States, stack entries and segments the engine is ready to make room for. */
const MOST = 1 << 24;

/** Checks everything the engine relies on, so that a damaged image is refused here and never traps there. Throws ImageError. */
export function readImage(bytes: Uint8Array): ImageView {
  if (bytes.length < abi.IMAGE_HEADER_SIZE) throw new ImageError('truncated', 'the image is shorter than its header');
  if (bytes.length % 4 !== 0) throw new ImageError('size', 'the image is no whole number of words');
  const copy = bytes.slice();
  const header = new Uint32Array(copy.buffer, 0, abi.IMAGE_HEADER_WORDS);
  if (header[abi.IMAGE_WORD_LABEL] !== abi.IMAGE_LABEL) throw new ImageError('label', 'not a wasmtables image');
  if (header[abi.IMAGE_WORD_VERSION] !== abi.IMAGE_VERSION) {
    throw new ImageError('version', `image version ${header[abi.IMAGE_WORD_VERSION]}, this engine reads ${abi.IMAGE_VERSION}`);
  }
  if (header[abi.IMAGE_WORD_SIZE] !== bytes.length) throw new ImageError('size', 'the image has another size than it says');
  if (header[abi.IMAGE_WORD_CHECKSUM] !== checksum(copy))
    throw new ImageError('checksum', 'the image was changed since it was written');
  const section = sections(copy, header);
  const view: ImageView = {
    header,
    code: section(abi.IMAGE_WORD_CODE, header[abi.IMAGE_WORD_CODE_SIZE]!),
    segments: words(section(abi.IMAGE_WORD_SEGMENTS, header[abi.IMAGE_WORD_SEGMENT_COUNT]! * 8)),
    ropes: words(section(abi.IMAGE_WORD_ROPES, header[abi.IMAGE_WORD_ROPE_COUNT]! * 8)),
    events: words(section(abi.IMAGE_WORD_EVENTS, header[abi.IMAGE_WORD_EVENT_COUNT]! * 12)),
    names: parseNames(section(abi.IMAGE_WORD_NAMES, header[abi.IMAGE_WORD_NAMES_SIZE]!)),
    host: section(abi.IMAGE_WORD_HOST, header[abi.IMAGE_WORD_HOST_SIZE]!),
    conntrack: section(abi.IMAGE_WORD_CONNTRACK, header[abi.IMAGE_WORD_CONNTRACK_SIZE]!),
    interfaces: section(abi.IMAGE_WORD_INTERFACES, header[abi.IMAGE_WORD_INTERFACES_SIZE]!),
    sets: section(abi.IMAGE_WORD_SETS, header[abi.IMAGE_WORD_SETS_SIZE]!),
  };
  checkNumbers(view);
  const sets = checkSets(view.sets);
  checkCode(view.code, header, { logs: view.names.logs.length, kept: view.names.kept, sets });
  checkBlocks(view.host, view.conntrack, view.interfaces, header[abi.IMAGE_WORD_HZ]!);
  return view;
}

function sections(bytes: Uint8Array, header: Uint32Array): (word: number, size: number) => Uint8Array {
  return (word, size) => {
    const offset = header[word]!;
    if (offset % 16 !== 0 || offset < abi.IMAGE_HEADER_SIZE || offset + size > bytes.length) {
      throw new ImageError('section', `section ${word} lies outside the image`);
    }
    return bytes.subarray(offset, offset + size);
  };
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function parseNames(bytes: Uint8Array): ImageNames {
  try {
    const names = JSON.parse(new TextDecoder().decode(bytes)) as ImageNames;
    const fine =
      Array.isArray(names.notes) &&
      names.notes.every((note) => typeof note === 'string') &&
      names.logs.every(isRequest) &&
      names.kept.every(isKept) &&
      names.tables.every(
        (table) =>
          (table.family === 4 || table.family === 6) &&
          typeof table.name === 'string' &&
          Number.isInteger(table.first) &&
          table.chains.every(
            (chain) => typeof chain.name === 'string' && Number.isInteger(chain.rules) && chain.rules >= 0 && chain.rules < MOST,
          ),
      );
    if (fine) return names;
  } catch {
    // What cannot be parsed is refused below, like what has another shape.
  }
  throw new ImageError('names', 'the names of the image cannot be read');
}

const isKept = ({ name, slot, parameters }: KeptState): boolean =>
  typeof name === 'string' && Number.isInteger(slot) && parameters.every((word) => Number.isInteger(word));

const isRequest = ({ prefix, level, flags }: LogRequest): boolean =>
  typeof prefix === 'string' && Number.isInteger(level) && Array.isArray(flags);

/** Ropes lead to smaller ropes, segments to ropes, events to rules that exist. */
function checkNumbers({ header, segments, ropes, events, names }: ImageView): void {
  const ropeCount = ropes.length / 2;
  const eventCount = events.length / 3;
  if (segments.length < 2 || ropeCount < 1 || header[abi.IMAGE_WORD_VISIBLE]! >= segments.length / 2)
    throw new ImageError('segments', 'impossible number of segments');
  for (const limited of [abi.IMAGE_WORD_STATES, abi.IMAGE_WORD_STACK, abi.IMAGE_WORD_SEGMENT_COUNT]) {
    if (header[limited]! > MOST) throw new ImageError('size', `header word ${limited} is impossibly large`);
  }
  for (let segment = 0; segment < segments.length; segment += 2) {
    if (segments[segment]! >= ropeCount) throw new ImageError('segments', 'a segment has no rope');
  }
  for (let rope = 1; rope < ropeCount; rope++) {
    const left = ropes[rope * 2]!;
    const fine = left >= abi.ROPE_EVENT ? left - abi.ROPE_EVENT < eventCount : left < rope && ropes[rope * 2 + 1]! < rope;
    if (!fine) throw new ImageError('ropes', `rope ${rope} leads nowhere`);
  }
  const rules = new Map<number, number>();
  for (const table of names.tables)
    for (const [index, chain] of table.chains.entries()) rules.set(table.first + index, chain.rules);
  for (let event = 0; event < eventCount; event++) {
    const last = rules.get(events[event * 3]!);
    const number = events[event * 3 + 1]!;
    if (last === undefined || number < 1 || number > last + 1)
      throw new ImageError('events', `event ${event} names a rule that is not there`);
  }
}
