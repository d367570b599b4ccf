/** One capture to the engine, in any build and at any place of memory, and to the reference; and what they say of it. */
import { IMAGE_FLAG_TURNS, IMAGE_WORD_FLAGS } from '../../src/abi/image.ts';
import { type CompileOptions, compile, type Image } from '../../src/compile/index.ts';
import { EngineSession } from '../../src/engine/session.ts';
import { type Answer, answerOf, differences } from '../../src/fuzz/differential.ts';
import { rewrites, translates } from '../../src/model/nat.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import type { RuleSet } from '../../src/model/ruleset.ts';
import type { Job } from '../../src/model/witness.ts';
import { type Build, engineModule } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { guarded, type Place } from './guarded.ts';

export type { Build } from '../../src/replay/engine-session.ts';
export const BUILDS: readonly Build[] = ['debug', 'release', 'scalar'];

/** Node's WebAssembly, which the types of Node 20 do not declare. */
export const wasm = Reflect.get(globalThis, 'WebAssembly') as {
  Module: new (bytes: Uint8Array) => object;
  RuntimeError: new () => Error;
};

/** A job with its image, which is compiled once. */
export interface Prepared {
  job: Job;
  /** The image was damaged on purpose. */
  spoilt?: boolean;
  image: Image;
}

export function prepared(job: Job, options: CompileOptions = {}): Prepared {
  return { job, image: compile(job, options) };
}

/** Cuts a file into what is fed at a time. */
export type Cut = (bytes: Uint8Array) => Iterable<Uint8Array>;

export const whole: Cut = (bytes) => [bytes];

interface Fed {
  startCapture(file: string): void;
  feed(chunk: Uint8Array): unknown;
  done(): boolean;
  endCapture(): unknown;
}

function play(session: Fed, capture: Uint8Array, cut: Cut): void {
  session.startCapture('capture');
  for (const chunk of cut(capture)) {
    if (session.done()) break;
    session.feed(chunk);
  }
  session.endCapture();
}

export interface EngineAsked {
  build?: Build;
  module?: object;
  place?: Place;
  cut?: Cut;
  /** Nothing is told of single packets, so that the shortest ways are taken. */
  silent?: boolean;
}

/** The image, which may be a damaged one, says that rules change where packets go: their TTL is lowered where they lie. */
const turns = ({ bytes }: Image): boolean =>
  (new DataView(bytes.buffer, bytes.byteOffset).getUint32(IMAGE_WORD_FLAGS * 4, true) & IMAGE_FLAG_TURNS) !== 0;

/** Some rule does more than decide. */
const hasEffects = ({ tables }: RuleSet): boolean =>
  tables.some(({ chains }) => chains.some(({ rules }) => rules.some(({ target }) => target?.kind === 'extension')));

/** What the engine says; every guard around its regions is looked at. */
export async function byEngine(
  { job, image, spoilt = false }: Prepared,
  capture: Uint8Array,
  asked: EngineAsked = {},
): Promise<Answer> {
  const { build = 'release', place = 0x00, cut = whole, silent = false, module = await engineModule(build) } = asked;
  const packets: PacketOutcome[] = [];
  const { engine, check } = await guarded(
    module,
    place,
    // One byte makes another effect of it: HMARK looks, TTL beside it rewrites.
    Object.values(job.rules).some((rules) => translates(rules) || rewrites(rules) || (spoilt && hasEffects(rules))) ||
      turns(image),
  );
  const session = new EngineSession(engine, image, {
    path: job.packets?.path ?? false,
    ...(!silent && { onPacket: (outcome: PacketOutcome) => packets.push(outcome) }),
  });
  play(session, capture, cut);
  check();
  const told: Parameters<typeof answerOf>[2] = {
    result: () => session.result(),
    connections: (at) => session.connections(at),
    expectations: (at) => session.expectations(at),
    sets: (at) => session.sets(job.sets ?? [], at),
    recent: () => session.recent(),
    hashlimit: (at) => session.hashlimit(at),
  };
  return { ...answerOf(`${build}, ${place}`, packets, told), ...(silent && { silent }) };
}

export function byReference(job: Job, capture: Uint8Array, cut: Cut = whole): Answer {
  const packets: PacketOutcome[] = [];
  const session = referenceSession(job, { onPacket: (outcome) => packets.push(outcome) });
  play(session, capture, cut);
  return answerOf('reference', packets, session);
}

/** Throws with the first packets that differ. */
export function agree(one: Answer, two: Answer): void {
  const lines = differences(one, two);
  if (lines.length > 0) throw new Error(`${one.name} and ${two.name} differ:\n${lines.join('\n')}`);
}
