/** All that a session tells of a capture, and that every build of the engine tells the same as the reference. */
import { expect } from 'vitest';
import { compile, type Image } from '../../../src/compile/index.ts';
import { type EngineExports, loadEngine } from '../../../src/engine/loader.ts';
import { EngineSession } from '../../../src/engine/session.ts';
import type { Job } from '../../../src/model/witness.ts';
import { engineSession } from '../../../src/replay/engine-session.ts';
import { referenceSession } from '../../../src/replay/reference-session.ts';
import type { Session } from '../../../src/replay/session.ts';
import { engineModule } from './wasm.ts';

type Judge = Pick<Session, 'startCapture' | 'feed' | 'result' | 'connections'> & { endCapture(): unknown };

type Told = Record<'result' | 'connections', unknown> & {
  result: Record<'ctstates' | 'stack', Readonly<Record<string, number>>>;
};

function told(session: Judge, capture: Uint8Array): Told {
  session.startCapture('memory');
  session.feed(capture);
  session.endCapture();
  const { captures: _, ...result } = session.result();
  return { result, connections: session.connections() };
}

export interface Alike {
  image: Image;
  expected: Told;
  /** The debug build: it counts the ways that packets took. */
  debug: EngineExports;
}

/** Every build agrees with the reference; `name` stands in a failure. */
export async function expectAlike(job: Job, capture: Uint8Array, name: string): Promise<Alike> {
  const image = compile(job);
  const expected = told(referenceSession(job), capture);
  for (const build of ['release', 'scalar'] as const)
    expect(told(await engineSession(job, { image, build }), capture), `${build}, ${name}`).toEqual(expected);
  const debug = await loadEngine(engineModule('debug'));
  expect(told(new EngineSession(debug, image, { path: false }), capture), `debug, ${name}`).toEqual(expected);
  return { image, expected, debug };
}
