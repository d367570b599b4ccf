/** Reads bytes with the plain readers and with the engine, in chunks of any size. */

import { CaptureReader, type Damage } from '../../src/capture/frames.ts';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { CaptureInfo, Frame, Job } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseRulesAll } from '../../src/syntax/index.ts';

export interface Read {
  frames: Frame[];
  linktypes: readonly number[];
  damage: Damage | undefined;
}

export function readWith(bytes: Uint8Array, chunk = bytes.length): Read {
  const frames: Frame[] = [];
  const reader = new CaptureReader((frame) => frames.push({ ...frame, bytes: frame.bytes.slice() }));
  for (let at = 0; at < bytes.length; at += Math.max(1, chunk)) reader.push(bytes.slice(at, at + Math.max(1, chunk)));
  const damage = reader.end();
  return { frames, linktypes: reader.linktypes, damage };
}

const RULES = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n';

export function job(): Job {
  const rules = parseRulesAll(RULES, { file: 'rules', family: 4 }).result!;
  const host = buildHost({ local: ['10.0.0.2'], in: 'eth0' });
  return { rules: { 4: rules[4]! }, host, profile: DEFAULT_PROFILE, packets: { path: false } };
}

export interface Seen {
  info: CaptureInfo;
  outcomes: PacketOutcome[];
}

/** One file through a session that is made for it. */
export function feed(session: Session, bytes: Uint8Array, chunk = bytes.length): CaptureInfo {
  session.startCapture('file');
  for (let at = 0; at < bytes.length && !session.done(); at += Math.max(1, chunk))
    session.feed(bytes.slice(at, at + Math.max(1, chunk)));
  return session.endCapture();
}

export async function byEngine(bytes: Uint8Array, chunk = bytes.length, build: 'release' | 'debug' = 'release'): Promise<Seen> {
  const outcomes: PacketOutcome[] = [];
  const session = await engineSession(job(), { hashKey: hashKeyOf(job()), onPacket: (outcome) => outcomes.push(outcome), build });
  return { info: feed(session, bytes, chunk), outcomes };
}

export function byReference(bytes: Uint8Array, chunk = bytes.length): Seen {
  const outcomes: PacketOutcome[] = [];
  const session = referenceSession(job(), { onPacket: (outcome) => outcomes.push(outcome) });
  return { info: feed(session, bytes, chunk), outcomes };
}
