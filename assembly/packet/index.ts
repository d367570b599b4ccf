/** A record's bytes to the static fields of a packet slot: first the link layer, then IP. (asc takes no `.ts` in `export from`.) */
import { decodeIp, decodeRebuilt } from './ip.ts';
import { decodeLink } from './link.ts';
import { decodePlain } from './plain.ts';

export { decodeIp, decodeLink, decodePlain, decodeRebuilt };
