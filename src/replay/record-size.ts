/** How long the records of a pcap file are in the mean, by those at some of its places: for a guess how many there are. Node only. */
import { RECORD_MAXIMUM } from '../abi/capture.ts';
import { openPlain, type PlainFile } from './open.ts';

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** Magic numbers of little-endian files, which nearly all are, and the fractions of a second that they count in. */
const FRACTIONS = new Map([
  [0xa1b2c3d4, 1_000_000],
  [0xa1b23c4d, 1_000_000_000],
]);
/** In the middle of as many parts of the file: a capture begins with what opens connections. */
const PLACES = 4;
const WINDOW = 1 << 15;
/** So many headers, each where the one before says, are no chance. */
const ENOUGH = 4;
/** Seconds between the first record and one that is believed. */
const YEAR = 365 * 86_400;

/** Bytes, headers included; undefined: it is no such file, it cannot be read, or what lies at those places looks like no records. */
export function meanRecord(path: string): number | undefined {
  let file: PlainFile | undefined;
  try {
    file = openPlain(path);
    return file && meanOf(file);
  } catch {
    return undefined;
  } finally {
    file?.close();
  }
}

function meanOf(file: PlainFile): number | undefined {
  const bytes = new Uint8Array(WINDOW);
  const head = new DataView(bytes.buffer, 0, file.read(bytes, 0));
  if (head.byteLength < FILE_HEADER + RECORD_HEADER) return undefined;
  const fractions = FRACTIONS.get(head.getUint32(0, true));
  if (fractions === undefined) return undefined;
  const first = head.getUint32(FILE_HEADER, true);
  // Every place speaks for as many bytes: records a byte are what can be added up.
  const densities: number[] = [];
  for (let place = 0; place < PLACES; place++) {
    const from = Math.floor((file.size * (place + 0.5)) / PLACES);
    const window = new DataView(bytes.buffer, 0, file.read(bytes, from));
    const ends = recordsIn(window, (at) => isRecord(window, at, first, fractions));
    if (ends !== undefined) densities.push((ends.length - 1) / (ends.at(-1)! - ends[0]!));
  }
  return densities.length === 0 ? undefined : densities.length / densities.reduce((sum, density) => sum + density);
}

/** Where the records of the first row of ENOUGH or more begin, and behind the last. */
function recordsIn(window: DataView, isOne: (at: number) => boolean): number[] | undefined {
  for (let start = 0; start + RECORD_HEADER <= window.byteLength; start++) {
    const row = [start];
    for (let at = start; at + RECORD_HEADER <= window.byteLength && isOne(at); row.push(at))
      at += RECORD_HEADER + window.getUint32(at + 8, true);
    if (row.length > ENOUGH) return row;
  }
  return undefined;
}

/** The header of a record, by what all have in common. */
function isRecord(window: DataView, at: number, first: number, fractions: number): boolean {
  const captured = window.getUint32(at + 8, true);
  const wire = window.getUint32(at + 12, true);
  if (captured === 0 || captured > wire || wire > RECORD_MAXIMUM) return false;
  return Math.abs(window.getUint32(at, true) - first) < YEAR && window.getUint32(at + 4, true) < fractions;
}
