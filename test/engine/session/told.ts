/** All that a session tells of a capture. */
import type { Session } from '../../../src/replay/session.ts';

type Judge = Pick<Session, 'startCapture' | 'feed' | 'result' | 'connections'> & { endCapture(): unknown };

export function told(session: Judge, capture: Uint8Array): unknown {
  session.startCapture('memory');
  session.feed(capture);
  session.endCapture();
  const { captures: _, ...result } = session.result();
  return { result, connections: session.connections() };
}
