/** The witnesses that are programs: the reference, and the engine's builds with and without their trees. */
import { type CompileOptions, compile, type Image } from '../compile/index.ts';
import type { Job, OnPacket } from '../model/witness.ts';
import { type Build, engineSession } from '../replay/engine-session.ts';
import { referenceSession } from '../replay/reference-session.ts';
import type { Session } from '../replay/session.ts';
import { hashKeyOf } from './hash-key.ts';

/** A witness by name, and how to start it. */
export interface Witness {
  name: string;
  start(job: Job, onPacket: OnPacket): Session | Promise<Session>;
  /** Bytes fed at a time; all at once when not given. */
  chunk?: number;
  /** It tells of no packet: what it counts and remembers is compared. */
  silent?: true;
}

/** Images by job: builds of the engine share them. */
const images = new WeakMap<Job, Image>();

/** So few rules always get the whole tree. */
const FEW = 8;
/** Of larger rule sets so many get a whole tree, the others a small one: compiling would take longer than all the rest, and trees that stop at their budget are judged too. */
const ONE_IN = 8;
const SMALL = 0.03;

/** One of so many rule sets is searched wherever that can be; usually that is left to long chains. */
const SEARCHED_ONE_IN = 3;

/** The budget of a job's tree and whether it is searched: by the number of its rules, so that a case is always judged alike. */
function optionsOf({ rules }: Job): CompileOptions {
  let count = 0;
  for (const set of Object.values(rules))
    for (const { chains } of set.tables) for (const chain of chains) count += chain.rules.length;
  const effort = count <= FEW || count % ONE_IN === 0 ? 1 : SMALL;
  return { effort, ...(count % SEARCHED_ONE_IN === 0 && { searched: 1 }) };
}

/** Compiled once a job. */
function treeOf(job: Job): Image {
  const image = images.get(job) ?? compile(job, optionsOf(job));
  images.set(job, image);
  return image;
}

const build =
  (name: Build): Witness['start'] =>
  (job, onPacket) =>
    engineSession(job, { build: name, image: treeOf(job), onPacket, hashKey: hashKeyOf(job) });

/** Witnesses that are programs, by name. Odd chunks cut records in every place. `silent`: where nobody asks for packets the engine writes down no paths, and keeps the ways of plain ones (assembly/classify/known.ts). Random cases seldom come so far (one in fifty): test/engine/session/known-edge.test.ts draws those that do. */
export const PROGRAMS: Readonly<Record<string, Witness>> = {
  reference: { name: 'reference', start: (job, onPacket) => referenceSession(job, { onPacket }) },
  engine: { name: 'engine', start: build('release') },
  silent: {
    name: 'silent',
    silent: true,
    start: (job) => engineSession(job, { image: treeOf(job), hashKey: hashKeyOf(job) }),
    // A few packets: those of a batch are guessed to be plain by the connections that are there before the first of them.
    chunk: 400,
  },
  debug: { name: 'debug', start: build('debug'), chunk: 4001 },
  scalar: { name: 'scalar', start: build('scalar') },
  linear: {
    name: 'linear',
    start: (job, onPacket) => engineSession(job, { tree: false, onPacket, hashKey: hashKeyOf(job) }),
    chunk: 777,
  },
};
