/** Senders of IPv4 fragments: how many fragments each has sent while a queue of its waits (net/ipv4/inetpeer.c, as far as ip_frag_too_far uses it). */
import { givePeer, peerBucket, takePeer } from './region.ts';

const PEER_CHAIN: usize = 0;
const PEER_SOURCE: usize = 4;
const PEER_FRAGMENTS: usize = 8;
const PEER_REFERENCES: usize = 12;
const FACTOR: u32 = 0x9e3779b1;

function bucketOf(source: u32): usize {
  return peerBucket((source * FACTOR) >>> 12);
}

/** The peer of a source address, for one more queue; 0 without memory. */
export function joinPeer(source: u32): usize {
  const bucket = bucketOf(source);
  for (let peer = load<u32>(bucket) as usize; peer !== 0; peer = load<u32>(peer, PEER_CHAIN) as usize) {
    if (load<u32>(peer, PEER_SOURCE) !== source) continue;
    store<u32>(peer, load<u32>(peer, PEER_REFERENCES) + 1, PEER_REFERENCES);
    return peer;
  }
  const peer = takePeer();
  if (peer === 0) return 0;
  store<u32>(peer, source, PEER_SOURCE);
  store<u32>(peer, 1, PEER_REFERENCES);
  store<u32>(peer, load<u32>(bucket), PEER_CHAIN);
  store<u32>(bucket, peer as u32);
  return peer;
}

/** A queue of the peer (0: of none) is gone. */
export function leavePeer(peer: usize): void {
  if (peer === 0) return;
  const references = load<u32>(peer, PEER_REFERENCES) - 1;
  store<u32>(peer, references, PEER_REFERENCES);
  if (references !== 0) return;
  let at = bucketOf(load<u32>(peer, PEER_SOURCE));
  while ((load<u32>(at) as usize) !== peer) at = (load<u32>(at) as usize) + PEER_CHAIN;
  store<u32>(at, load<u32>(peer, PEER_CHAIN));
  givePeer(peer);
}

/** One more fragment of the peer. Out: how many it are by now. */
export function countFragment(peer: usize): u32 {
  const fragments = load<u32>(peer, PEER_FRAGMENTS) + 1;
  store<u32>(peer, fragments, PEER_FRAGMENTS);
  return fragments;
}
