/** What is spoilt here: the bundled captures and rule sets, and those of the regressions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CaptureReader } from '../../src/capture/frames.ts';
import type { Family } from '../../src/model/ruleset.ts';
import type { Frame } from '../../src/model/witness.ts';
import { ROOT } from '../cli/command.ts';

/** Of a long capture the front is enough. */
const MOST = 24_000;

function files(pattern: RegExp): string[] {
  return ['pcaps', 'test/regressions'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => pattern.test(name))
      .map((name) => join(ROOT, folder, name))
      .sort(),
  );
}

export interface CaptureFile {
  name: string;
  bytes: Uint8Array;
}

/** Every capture, cut behind a record or block of its first 24,000 bytes. */
export const captures: readonly CaptureFile[] = files(/\.(pcap|pcapng)(\.gz)?$/).map((name) => {
  const packed = readFileSync(name);
  const bytes = new Uint8Array(name.endsWith('.gz') ? gunzipSync(packed) : packed);
  return { name, bytes: bytes.slice(0, endBefore(bytes, MOST)) };
});

/** Where the last frame within the first `most` bytes ends. */
function endBefore(bytes: Uint8Array, most: number): number {
  const reader = new CaptureReader(() => {});
  reader.push(bytes.slice(0, most));
  return bytes.length <= most ? bytes.length : reader.frameEnd;
}

/** Frames of all captures. */
export const frames: readonly Frame[] = captures.flatMap(({ bytes }) => {
  const found: Frame[] = [];
  const reader = new CaptureReader((frame) => found.push({ ...frame, bytes: frame.bytes.slice() }));
  reader.push(bytes);
  return found;
});

export interface RulesFile {
  name: string;
  text: string;
  family: Family;
}

/** Dumps by their family; scripts and pasted lines are IPv4. */
export const rules: readonly RulesFile[] = files(/rules\.v[46]$|counters\.v4$|\.txt$|learner\.sh$/).map((name) => ({
  name,
  text: readFileSync(name, 'utf8'),
  family: name.endsWith('v6') ? 6 : 4,
}));
